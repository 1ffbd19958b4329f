-- Fills a database that has only the first migration, as version 1.0.0 left it after a year of use, with what it
-- accepted and later versions would not. `check` finds no mistake in it once it is migrated.
--
-- The caller has set how many referral requests there are: CREATE TEMP TABLE size AS SELECT 600 AS referrals.

CREATE TEMP TABLE numbers AS
WITH RECURSIVE n (i) AS (
  SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < (SELECT referrals FROM temp.size))
SELECT i FROM n;

-- IDs and times -------------------------------------------------------------------------------------

CREATE TEMP VIEW sizes AS
SELECT
  referrals, (referrals + 5) / 6 AS groups, max(12, referrals / 1200 * 12) AS partners,
  300.0 / referrals AS step  -- days from one request to the next
FROM temp.size;

CREATE TEMP TABLE moments AS
SELECT
  i, printf('0194c000-%04x-7%03x-8000-%012x', i >> 12 & 65535, i & 4095, i) AS id,
  julianday('2026-01-05') + i * (SELECT step FROM temp.sizes) AS day
FROM temp.numbers;

-- Users, groups, tokens -----------------------------------------------------------------------------

-- Two members for each group: 2 g and 2 g + 1. The staff and the partners' users come first.
INSERT INTO users (id, email, email_key, name, disabled, created_at, updated_at)
VALUES
  ('0194b000-0000-7000-8000-000000000001', 'Ana@Tomi.example', 'ana@tomi.example', 'Ana Køhler', 0,
    '2026-01-01T09:00:00.000Z', '2026-01-01T09:00:00.000Z'),
  ('0194b000-0000-7000-8000-000000000002', 'ben@tomi.example', 'ben@tomi.example', 'Ben O’Neill', 0,
    '2026-01-01T09:00:00.000Z', '2026-01-01T09:00:00.000Z'),
  ('0194b000-0000-7000-8000-000000000003', 'left@tomi.example', 'left@tomi.example', 'Łukasz Left', 1,
    '2026-01-01T09:00:00.000Z', '2026-03-01T09:00:00.000Z'),
  ('0194b000-0000-7000-8000-000000000004', 'law@partner.example', 'law@partner.example', 'Lee Law', 0,
    '2026-01-02T09:00:00.000Z', '2026-01-02T09:00:00.000Z');

INSERT INTO users (id, email, email_key, name, disabled, created_at, updated_at)
SELECT
  printf('0194b100-0000-7000-8000-%012x', i), printf('member%d@mail.example', i),
  printf('member%d@mail.example', i),
  CASE i % 5 WHEN 0 THEN 'Zoë Ito ' WHEN 1 THEN 'Maya Ødegård ' WHEN 2 THEN 'Αθηνά '
    WHEN 3 THEN '山田 ' ELSE 'Noah Quinn ' END || i,
  i % 97 = 96, '2026-01-03T09:00:00.000Z', '2026-01-03T09:00:00.000Z'
FROM (SELECT i FROM temp.numbers UNION ALL SELECT i + (SELECT referrals FROM temp.size) FROM temp.numbers)
WHERE i < 2 * (SELECT groups FROM temp.sizes);

INSERT INTO groups (id, name, state, created_at, updated_at)
SELECT
  printf('0194b200-0000-7000-8000-%012x', i),
  CASE i % 4 WHEN 0 THEN 'Maple House ' WHEN 1 THEN 'Birch Lane ' WHEN 2 THEN 'Éclair Court '
    ELSE 'Hawaiʻi Street ' END || i,
  CASE i % 3 WHEN 0 THEN 'MN' WHEN 1 THEN 'CA' END, '2026-01-04T09:00:00.000Z',
  '2026-01-04T09:00:00.000Z'
FROM temp.numbers WHERE i < (SELECT groups FROM temp.sizes);

-- The second member of every tenth group has left it.
INSERT INTO group_members (group_id, user_id)
SELECT g.id, printf('0194b100-0000-7000-8000-%012x', 2 * i + second.value)
FROM temp.numbers
JOIN groups AS g ON g.id = printf('0194b200-0000-7000-8000-%012x', i)
JOIN json_each('[0, 1]') AS second
WHERE second.value = 0 OR i % 10 < 9;

INSERT INTO tokens (id, user_id, admin, name, sha256, created_at, expires_at, revoked_at)
VALUES
  ('0194b300-0000-7000-8000-000000000001', '0194b000-0000-7000-8000-000000000001', 1, 'desk',
    x'0000000000000000000000000000000000000000000000000000000000000001', '2026-01-01T09:00:00.000Z', NULL, NULL),
  ('0194b300-0000-7000-8000-000000000002', '0194b000-0000-7000-8000-000000000003', 1, NULL,
    x'0000000000000000000000000000000000000000000000000000000000000002', '2026-01-01T09:00:00.000Z', NULL, '2026-03-01T09:00:00.000Z'),
  ('0194b300-0000-7000-8000-000000000003', '0194b000-0000-7000-8000-000000000004', 0, 'app',
    x'0000000000000000000000000000000000000000000000000000000000000003', '2026-01-02T09:00:00.000Z', '2036-01-01T00:00:00.000Z', NULL),
  ('0194b300-0000-7000-8000-000000000004', '0194b100-0000-7000-8000-000000000000', 0, 'app',
    x'0000000000000000000000000000000000000000000000000000000000000004', '2026-01-03T09:00:00.000Z', NULL, NULL);

INSERT INTO idempotency_keys
  (user_id, path, key, request_sha256, status, location, etag, body, created_at)
VALUES
  ('0194b000-0000-7000-8000-000000000001', '/api/admin/partners', 'k1', zeroblob(32), 201,
    '/api/admin/partners/0194b400-0000-7000-8000-000000000000', '"x"', x'7B7D',
    '2026-11-22T09:00:00.000Z');

-- Partners ------------------------------------------------------------------------------------------

-- Type by number % 6. Of the last twelve, six are in each further status or serve no state of the requests.
INSERT INTO partners (id, user_id, type, status, company_name, contact_name, email, email_key, phone, website,
  service_areas, co_ownership_certified, agreement_signed_at, invited_by, notes, created_at, updated_at)
SELECT
  printf('0194b400-0000-7000-8000-%012x', i), iif(i = 0, '0194b000-0000-7000-8000-000000000004', NULL),
  CASE i % 6 WHEN 0 THEN 'attorney' WHEN 1 THEN 'lender' WHEN 2 THEN 'agent' WHEN 3 THEN 'title'
    WHEN 4 THEN 'insurance' ELSE 'cpa' END,
  CASE WHEN i < partners THEN 'active' WHEN i % 4 = 0 THEN 'invited' WHEN i % 4 = 1 THEN 'pending_review'
    WHEN i % 4 = 2 THEN 'inactive' ELSE 'removed' END,
  CASE i % 7 WHEN 0 THEN 'Hawaiʻi Éclair ' WHEN 1 THEN 'Øster & Søn ' WHEN 2 THEN '東京法律事務所 '
    WHEN 3 THEN 'ΑΘΗΝΑ ' WHEN 4 THEN 'straße ' ELSE 'Lake Law ' END || i,
  iif(i % 3 = 0, NULL, 'Rory O’Neill'),
  -- 1.0.0 took an invisible character for a letter.
  iif(i = 1, char(0x200B), '') || 'Office' || i || '@Partner.example',
  iif(i = 1, char(0x200B), '') || 'office' || i || '@partner.example',
  CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN '(612) 555-0142' WHEN 2 THEN '+16125550142x5'
    ELSE '612 555 01' || printf('%02d', i % 100) END,
  iif(i % 2, NULL, 'https://partner' || i || '.example/'),
  iif(i < partners, CASE i / 6 % 3 WHEN 0 THEN '["MN","CA"]' WHEN 1 THEN '["CA","MN","WI"]'
    ELSE '["MN","CA","HI","NY"]' END, '[]'),
  i % 3 = 0, iif(i < partners OR i % 4 = 2, '2026-01-02T00:00:00.000Z', NULL),
  '0194b000-0000-7000-8000-000000000001', iif(i % 4, NULL, 'Met at a fair. Call after 5.'),
  '2026-01-02T09:00:00.000Z', '2026-01-02T09:00:00.000Z'
FROM (
  SELECT i, partners FROM temp.numbers, temp.sizes WHERE i < partners
  UNION ALL
  SELECT partners + value, partners FROM temp.sizes, json_each('[0,1,2,3,4,5,6,7,8,9,10,11]'));

-- Staff holds back one type and keeps another's launch.
UPDATE service_area_coverage SET pinned_status = 'coming_soon'
WHERE state_code = 'WI' AND partner_type IN ('cpa', 'title');

-- Referral requests ---------------------------------------------------------------------------------

-- The life of a request by its number, as the statuses after "pending", and the partner of each. A digit is the
-- turn of a partner; "declined" is told by the partner, "returned" by staff.
CREATE TEMP TABLE lives (life INTEGER PRIMARY KEY, final TEXT, outcome TEXT, steps TEXT);
INSERT INTO temp.lives VALUES
  (0, 'pending', NULL, '[]'),
  (1, 'pending', NULL, '[]'),
  (2, 'matched', NULL, '["matched"]'),
  (3, 'intro_sent', NULL, '["matched","intro_sent"]'),
  (4, 'connected', NULL, '["matched","intro_sent","connected"]'),
  (5, 'closed', 'deal_closed', '["matched","intro_sent","connected","closed"]'),
  (6, 'closed', 'not_engaged', '["matched","intro_sent","closed"]'),
  (7, 'cancelled', NULL, '["cancelled"]'),
  (8, 'pending', NULL, '["matched","intro_sent","declined"]'),
  (9, 'matched', NULL, '["matched","intro_sent","returned","matched"]'),
  (10, 'closed', 'unknown', '["matched","returned","matched","intro_sent","closed"]');

-- One row for each request, with its partners: the first, and the one after a return.
CREATE TEMP TABLE requests AS
SELECT
  m.i, m.id, m.day, m.i % 11 AS life, m.i / 6 AS group_number,
  printf('0194b200-0000-7000-8000-%012x', m.i / 6) AS group_id,
  -- Staff asked for some of the groups.
  iif(m.i % 13 = 12, '0194b000-0000-7000-8000-000000000001',
    printf('0194b100-0000-7000-8000-%012x', 2 * (m.i / 6) + m.i % 2)) AS requested_by,
  CASE m.i % 6 WHEN 0 THEN 'attorney' WHEN 1 THEN 'lender' WHEN 2 THEN 'agent' WHEN 3 THEN 'title'
    WHEN 4 THEN 'insurance' ELSE 'cpa' END AS type,
  printf('0194b400-0000-7000-8000-%012x',
    m.i * 7919 % (s.partners / 6) * 6 + m.i % 6) AS first_partner,
  printf('0194b400-0000-7000-8000-%012x',
    (m.i * 7919 + 1) % (s.partners / 6) * 6 + m.i % 6) AS second_partner
FROM temp.moments AS m, temp.sizes AS s;

-- One row for each step, with its time: a day after the one before.
CREATE TEMP TABLE steps AS
SELECT
  r.i, 0 AS step, 'requested' AS word, r.day, NULL AS partner
FROM temp.requests AS r
UNION ALL
SELECT
  r.i, e.key + 1, e.value, r.day + 1.0 * (e.key + 1) * (1 + r.i % 4) / 4,
  iif(EXISTS (SELECT 1 FROM json_each(l.steps) AS b
      WHERE b.key < e.key AND b.value IN ('returned', 'declined')), r.second_partner, r.first_partner)
FROM temp.requests AS r JOIN temp.lives AS l USING (life), json_each(l.steps) AS e;

CREATE INDEX temp.steps_by_request ON steps (i, step);

CREATE TEMP TABLE told AS
SELECT
  s.i, s.step, s.word, s.partner, strftime('%Y-%m-%dT%H:%M:%fZ', s.day) AS at,
  CASE s.word WHEN 'requested' THEN 'pending' WHEN 'returned' THEN 'pending' WHEN 'declined' THEN 'pending'
    ELSE s.word END AS status
FROM temp.steps AS s;

CREATE INDEX temp.told_by_request ON told (i, step);

INSERT INTO referral_requests (id, group_id, requested_by, partner_type, status, context, state, partner_id,
  intro_sent_at, outcome, outcome_notes, created_at, updated_at, status_changed_at, connected_at)
SELECT
  r.id, r.group_id, r.requested_by, r.type, l.final,
  json_object(
    'group_size', iif(r.i % 5 = 4, NULL, 1 + r.i % 4),
    'home_price_range', CASE r.i % 3 WHEN 0 THEN NULL
      WHEN 1 THEN json_object('min', 420000, 'max', 500000)
      -- 1.0.0 took any number.
      ELSE json_object('min', NULL, 'max', iif(r.i % 600 = 599, 9000000000000000, 650000)) END,
    'timeline', iif(r.i % 4, 'by March', NULL),
    'state', CASE r.i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'CA' ELSE 'MN' END,
    'specific_need', iif(r.i % 2, 'TIC agreement reviewed before we sign.', NULL)),
  CASE r.i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'CA' ELSE 'MN' END,
  iif(l.final IN ('pending', 'cancelled'), NULL, last.partner),
  iif(l.final IN ('intro_sent', 'connected', 'closed'),
    (SELECT at FROM temp.told AS t WHERE t.i = r.i AND t.word = 'intro_sent' ORDER BY step DESC LIMIT 1), NULL),
  l.outcome, iif(l.outcome = 'deal_closed', 'Closed on Maple Street.', NULL),
  strftime('%Y-%m-%dT%H:%M:%fZ', r.day), last.at, iif(last.step = 0, NULL, last.at),
  (SELECT at FROM temp.told AS t WHERE t.i = r.i AND t.word = 'connected')
FROM temp.requests AS r
JOIN temp.lives AS l USING (life)
JOIN temp.told AS last
  ON last.i = r.i AND last.step = (SELECT max(step) FROM temp.told AS t WHERE t.i = r.i)
ORDER BY r.i;

INSERT INTO referral_past_partners (referral_number, partner_id)
SELECT DISTINCT q.number, t.partner
FROM temp.told AS t JOIN temp.requests AS r USING (i) JOIN referral_requests AS q ON q.id = r.id
WHERE t.word IN ('returned', 'declined')
  OR (t.word IN ('matched', 'intro_sent') AND q.partner_id IS NOT NULL AND t.partner <> q.partner_id);

-- History -------------------------------------------------------------------------------------------

INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes)
SELECT created_at, NULL, 'user', id, 'user.created',
  json_object('email', json_object('from', NULL, 'to', email), 'name', json_object('from', NULL, 'to', name),
    'disabled', json('{"from":null,"to":false}'))
FROM users;

INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes)
SELECT created_at, '0194b000-0000-7000-8000-000000000001', 'partner', id, 'partner.created',
  json_object('type', json_object('from', NULL, 'to', type), 'status', json_object('from', NULL, 'to', status),
    'company_name', json_object('from', NULL, 'to', company_name),
    'email', json_object('from', NULL, 'to', email), 'notes', json_object('from', NULL, 'to', notes))
FROM partners;

INSERT INTO events (at, actor_id, subject_kind, subject_id, kind, changes, note)
SELECT
  t.at,
  CASE t.word WHEN 'requested' THEN r.requested_by
    WHEN 'declined' THEN ifnull((SELECT user_id FROM partners WHERE id = t.partner),
      '0194b000-0000-7000-8000-000000000004')
    ELSE '0194b000-0000-7000-8000-000000000002' END,
  'referral', r.id,
  'referral.' || CASE t.word WHEN 'declined' THEN 'returned' ELSE t.word END,
  CASE t.word
    WHEN 'requested' THEN json_object('group_id', json_object('from', NULL, 'to', r.group_id),
      'requested_by', json_object('from', NULL, 'to', r.requested_by),
      'partner_type', json_object('from', NULL, 'to', r.type),
      'status', json('{"from":null,"to":"pending"}'))
    WHEN 'matched' THEN json_object('status', json_object('from', before.status, 'to', 'matched'),
      'partner_id', json_object('from', NULL, 'to', t.partner))
    WHEN 'intro_sent' THEN json_object('status', json_object('from', before.status, 'to', 'intro_sent'),
      'intro_sent_at', json_object('from', NULL, 'to', t.at))
    WHEN 'closed' THEN json_object('status', json_object('from', before.status, 'to', 'closed'),
      'outcome', json_object('from', NULL, 'to', l.outcome))
    WHEN 'returned' THEN json_object('status', json_object('from', before.status, 'to', 'pending'),
      'partner_id', json_object('from', t.partner, 'to', NULL))
    WHEN 'declined' THEN json_object('status', json_object('from', before.status, 'to', 'pending'),
      'partner_id', json_object('from', t.partner, 'to', NULL),
      'intro_sent_at', json_object('from', before.at, 'to', NULL))
    ELSE json_object('status', json_object('from', before.status, 'to', t.status)) END,
  CASE t.word WHEN 'declined' THEN 'We know the seller.' WHEN 'cancelled' THEN 'No longer buying.' END
FROM temp.told AS t
JOIN temp.requests AS r USING (i)
JOIN temp.lives AS l USING (life)
LEFT JOIN temp.told AS before ON before.i = t.i AND before.step = t.step - 1
ORDER BY t.at, t.i, t.step;

INSERT INTO referral_steps (from_status, to_status, tenths_of_days, count)
SELECT
  changes ->> '$.status.from', changes ->> '$.status.to',
  max(0, CAST(round(10 * (julianday(at) - julianday(since))) AS INTEGER)), count(*)
FROM (
  SELECT at, changes, lag(at) OVER (PARTITION BY subject_id ORDER BY number) AS since FROM events
  WHERE subject_kind = 'referral' AND changes ->> '$.status.to' IS NOT NULL)
WHERE changes ->> '$.status.from' IS NOT NULL
GROUP BY 1, 2, 3;

DROP TABLE temp.told;
DROP TABLE temp.steps;
DROP TABLE temp.requests;
DROP TABLE temp.lives;
DROP TABLE temp.moments;
DROP VIEW temp.sizes;
DROP TABLE temp.numbers;
