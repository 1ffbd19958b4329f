-- What the first months of use asked for. Rows that are there already are filled here.

-- Names and search ---------------------------------------------------------------------------------

-- Derived from the partner's own columns, by the service when it writes the row: folded forms, in which
-- case, accents and the like don't count. The functions that make them are the service's.
ALTER TABLE partners ADD COLUMN name_key TEXT NOT NULL DEFAULT '';  -- the order of company names
ALTER TABLE partners ADD COLUMN public_words TEXT NOT NULL DEFAULT '';  -- what everybody's search finds
ALTER TABLE partners ADD COLUMN staff_words TEXT NOT NULL DEFAULT '';  -- what only staff's search finds

DROP TRIGGER partners_search_inserted;
DROP TRIGGER partners_search_deleted;
DROP TRIGGER partners_search_updated;
DROP TABLE partners_search;
DROP TRIGGER partner_areas_inserted;
DROP TRIGGER partner_areas_updated;
DROP INDEX partners_by_company;
DROP INDEX partners_active_by_company;
DROP INDEX partners_active_by_type_company;
DROP INDEX partner_areas_active_by_company;
ALTER TABLE partner_areas RENAME COLUMN company_name TO name_key;

UPDATE partners SET
  name_key = sort_key(company_name),
  public_words = public_words(company_name, contact_name),
  staff_words = staff_words(email, phone, notes);
UPDATE partner_areas
SET name_key = (SELECT name_key FROM partners WHERE number = partner_number);

CREATE INDEX partners_by_name ON partners (name_key);
-- The public directory, where no state is asked for.
CREATE INDEX partners_active_by_name ON partners (name_key) WHERE status = 'active';
CREATE INDEX partners_active_by_type_name ON partners (type, name_key) WHERE status = 'active';
-- The public directory in one state.
CREATE INDEX partner_areas_active_by_name
  ON partner_areas (state_code, type, name_key, partner_number, active) WHERE active = 1;

CREATE TRIGGER partner_areas_inserted AFTER INSERT ON partners
BEGIN
  INSERT INTO partner_areas (partner_number, state_code, type, active, name_key, created_at)
  SELECT DISTINCT
    new.number, area.value, new.type, new.status = 'active', new.name_key, new.created_at
  FROM json_each(new.service_areas) AS area;
END;

-- Rows that stay are changed in place, not removed and written again: a count that touched 0 in between
-- would end a pinned status.
CREATE TRIGGER partner_areas_updated
AFTER UPDATE OF service_areas, type, status, name_key ON partners
WHEN new.service_areas <> old.service_areas OR new.type <> old.type
  OR (new.status = 'active') <> (old.status = 'active') OR new.name_key <> old.name_key
BEGIN
  INSERT INTO partner_areas (partner_number, state_code, type, active, name_key, created_at)
  SELECT DISTINCT
    new.number, area.value, new.type, new.status = 'active', new.name_key, new.created_at
  FROM json_each(new.service_areas) AS area
  WHERE area.value NOT IN
    (SELECT state_code FROM partner_areas WHERE partner_number = new.number);
  DELETE FROM partner_areas
  WHERE partner_number = new.number
    AND state_code NOT IN (SELECT value FROM json_each(new.service_areas));
  UPDATE partner_areas
  SET type = new.type, active = (new.status = 'active'), name_key = new.name_key
  WHERE partner_number = new.number
    AND (type <> new.type OR active <> (new.status = 'active') OR name_key <> new.name_key);
END;

-- The words are folded and separated by spaces already. This tokenizer takes every character beyond ASCII
-- for a letter, and so leaves them as they are.
CREATE VIRTUAL TABLE partners_search USING fts5 (
  public_words, staff_words,
  content = 'partners', content_rowid = 'number',
  tokenize = 'ascii',
  prefix = '1 2 3'  -- so that the beginning of a word is as quick to find as a word
);
INSERT INTO partners_search (partners_search) VALUES ('rebuild');

CREATE TRIGGER partners_search_inserted AFTER INSERT ON partners
BEGIN
  INSERT INTO partners_search (rowid, public_words, staff_words)
  VALUES (new.number, new.public_words, new.staff_words);
END;

CREATE TRIGGER partners_search_deleted AFTER DELETE ON partners
BEGIN
  INSERT INTO partners_search (partners_search, rowid, public_words, staff_words)
  VALUES ('delete', old.number, old.public_words, old.staff_words);
END;

CREATE TRIGGER partners_search_updated AFTER UPDATE OF public_words, staff_words ON partners
WHEN new.public_words <> old.public_words OR new.staff_words <> old.staff_words
BEGIN
  INSERT INTO partners_search (partners_search, rowid, public_words, staff_words)
  VALUES ('delete', old.number, old.public_words, old.staff_words);
  INSERT INTO partners_search (rowid, public_words, staff_words)
  VALUES (new.number, new.public_words, new.staff_words);
END;

-- Partners' standing -------------------------------------------------------------------------------

-- What decides a partner's place among those that are proposed, beside its certification. The last introduction
-- counts for good: also if the partner declined it, if the request was taken back, or if its time was corrected.
CREATE TABLE partner_standings (
  partner_id TEXT PRIMARY KEY NOT NULL REFERENCES partners (id) ON DELETE CASCADE,
  -- The requests that are matched with the partner, or introduced to it and not answered.
  open_referrals INTEGER NOT NULL DEFAULT 0 CHECK (open_referrals >= 0),
  last_intro_at TEXT NOT NULL DEFAULT ''  -- empty: never
) STRICT, WITHOUT ROWID;

-- Each introduction that there ever was. An event of an introduction names the partner only if it changed, so
-- the partner is the one that the request's history named last.
CREATE VIEW partner_introductions (partner_id, at) AS
SELECT partner_id, intro_sent_at FROM referral_requests WHERE intro_sent_at IS NOT NULL
UNION ALL
SELECT
  (SELECT named.changes ->> '$.partner_id.to' FROM events AS named
   WHERE named.subject_id = e.subject_id AND named.subject_kind = 'referral'
     AND named.number <= e.number AND named.changes ->> '$.partner_id.to' IS NOT NULL
   ORDER BY named.number DESC LIMIT 1),
  e.changes ->> '$.intro_sent_at.to'
FROM events AS e
WHERE e.subject_kind = 'referral' AND e.changes ->> '$.intro_sent_at.to' IS NOT NULL;

INSERT INTO partner_standings (partner_id, open_referrals, last_intro_at)
SELECT
  p.id,
  (SELECT count(*) FROM referral_requests AS r
   WHERE r.partner_id = p.id AND r.status IN ('matched', 'intro_sent')),
  ifnull(last.at, '')
FROM partners AS p
LEFT JOIN (SELECT partner_id, max(at) AS at FROM partner_introductions GROUP BY partner_id) AS last
  ON last.partner_id = p.id;

CREATE TRIGGER partner_standings_referral_inserted AFTER INSERT ON referral_requests
WHEN new.partner_id IS NOT NULL
BEGIN
  UPDATE partner_standings
  SET
    open_referrals = (SELECT count(*) FROM referral_requests AS r
      WHERE r.partner_id = new.partner_id AND r.status IN ('matched', 'intro_sent')),
    last_intro_at = max(last_intro_at, ifnull(new.intro_sent_at, ''))
  WHERE partner_id = new.partner_id;
END;

CREATE TRIGGER partner_standings_referral_updated
AFTER UPDATE OF status, partner_id, intro_sent_at ON referral_requests
WHEN new.status <> old.status OR new.partner_id IS NOT old.partner_id
  OR new.intro_sent_at IS NOT old.intro_sent_at
BEGIN
  UPDATE partner_standings
  SET
    open_referrals = (SELECT count(*) FROM referral_requests AS r
      WHERE r.partner_id = partner_standings.partner_id AND r.status IN ('matched', 'intro_sent')),
    last_intro_at = max(last_intro_at,
      iif(partner_id IS new.partner_id, ifnull(new.intro_sent_at, ''), ''))
  WHERE partner_id IN (old.partner_id, new.partner_id);
END;

CREATE TRIGGER partner_standings_referral_deleted AFTER DELETE ON referral_requests
WHEN old.partner_id IS NOT NULL
BEGIN
  UPDATE partner_standings
  SET open_referrals = (SELECT count(*) FROM referral_requests AS r
    WHERE r.partner_id = old.partner_id AND r.status IN ('matched', 'intro_sent'))
  WHERE partner_id = old.partner_id;
END;

-- The active partners of a type in the order in which they are proposed: one row for each state that a partner
-- serves, and one with an empty state for requests that name none. So the best are read without a sort.
CREATE TABLE partner_ranks (
  state_code TEXT NOT NULL,
  type TEXT NOT NULL,
  uncertified INTEGER NOT NULL,
  open_referrals INTEGER NOT NULL,
  last_intro_at TEXT NOT NULL,
  partner_id TEXT NOT NULL,
  partner_number INTEGER NOT NULL,
  PRIMARY KEY (state_code, type, uncertified, open_referrals, last_intro_at, partner_id)
) STRICT, WITHOUT ROWID;

-- The rows that partner_ranks must have. It reads the areas from the partner's own row, because the triggers that
-- fill partner_areas may run later.
CREATE VIEW partner_ranks_due AS
SELECT DISTINCT
  area.value AS state_code, p.type, NOT p.co_ownership_certified AS uncertified,
  s.open_referrals, s.last_intro_at, p.id AS partner_id, p.number AS partner_number
FROM partners AS p
JOIN partner_standings AS s ON s.partner_id = p.id
JOIN json_each(json_insert(p.service_areas, '$[#]', '')) AS area
WHERE p.status = 'active';

INSERT INTO partner_ranks SELECT * FROM partner_ranks_due;

CREATE TRIGGER partner_ranks_partner_inserted AFTER INSERT ON partners
BEGIN
  INSERT INTO partner_standings (partner_id) VALUES (new.id);
  INSERT INTO partner_ranks SELECT * FROM partner_ranks_due WHERE partner_id = new.id;
END;

CREATE TRIGGER partner_ranks_partner_updated
AFTER UPDATE OF type, status, service_areas, co_ownership_certified ON partners
WHEN (old.status = 'active' OR new.status = 'active')
  AND (new.type <> old.type OR new.status <> old.status OR new.service_areas <> old.service_areas
    OR new.co_ownership_certified <> old.co_ownership_certified)
BEGIN
  DELETE FROM partner_ranks
  WHERE old.status = 'active'
    AND (state_code, type, uncertified, open_referrals, last_intro_at, partner_id) IN
      (SELECT area.value, old.type, NOT old.co_ownership_certified, s.open_referrals,
        s.last_intro_at, s.partner_id
      FROM partner_standings AS s JOIN json_each(json_insert(old.service_areas, '$[#]', '')) AS area
      WHERE s.partner_id = old.id);
  INSERT INTO partner_ranks SELECT * FROM partner_ranks_due WHERE partner_id = new.id;
END;

CREATE TRIGGER partner_ranks_partner_deleted BEFORE DELETE ON partners
WHEN old.status = 'active'
BEGIN
  DELETE FROM partner_ranks
  WHERE (state_code, type, uncertified, open_referrals, last_intro_at, partner_id) IN
    (SELECT state_code, type, uncertified, open_referrals, last_intro_at, partner_id
    FROM partner_ranks_due WHERE partner_id = old.id);
END;

CREATE TRIGGER partner_ranks_standing_updated
AFTER UPDATE OF open_referrals, last_intro_at ON partner_standings
WHEN new.open_referrals <> old.open_referrals OR new.last_intro_at <> old.last_intro_at
BEGIN
  DELETE FROM partner_ranks
  WHERE (state_code, type, uncertified, open_referrals, last_intro_at, partner_id) IN
    (SELECT state_code, type, uncertified, old.open_referrals, old.last_intro_at, partner_id
    FROM partner_ranks_due WHERE partner_id = new.partner_id);
  INSERT INTO partner_ranks SELECT * FROM partner_ranks_due WHERE partner_id = new.partner_id;
END;

-- For staff, who looks for the requests of partners that left. It is null for an active partner, so that a match
-- writes nothing here and the indexes are small.
ALTER TABLE referral_requests ADD COLUMN partner_status_unless_active TEXT;

UPDATE referral_requests SET partner_status_unless_active = p.status
FROM partners AS p WHERE p.id = referral_requests.partner_id AND p.status <> 'active';

CREATE INDEX referral_requests_by_partner_status
  ON referral_requests (partner_status_unless_active, status, created_at)
  WHERE partner_status_unless_active IS NOT NULL;
CREATE INDEX referral_requests_by_partner_status_update
  ON referral_requests (partner_status_unless_active, status, updated_at)
  WHERE partner_status_unless_active IS NOT NULL;

CREATE TRIGGER referral_partner_status_followed AFTER UPDATE OF status ON partners
WHEN new.status <> old.status
BEGIN
  UPDATE referral_requests SET partner_status_unless_active = nullif(new.status, 'active')
  WHERE partner_id = new.id;
END;

CREATE TRIGGER referral_partner_status_inserted AFTER INSERT ON referral_requests
WHEN new.partner_id IS NOT NULL
BEGIN
  UPDATE referral_requests SET partner_status_unless_active = p.status
  FROM partners AS p
  WHERE referral_requests.number = new.number AND p.id = new.partner_id AND p.status <> 'active';
END;

CREATE TRIGGER referral_partner_status_updated AFTER UPDATE OF partner_id ON referral_requests
WHEN new.partner_id IS NOT old.partner_id
BEGIN
  UPDATE referral_requests
  SET partner_status_unless_active =
    (SELECT nullif(p.status, 'active') FROM partners AS p WHERE p.id = new.partner_id)
  WHERE number = new.number
    AND partner_status_unless_active IS NOT
      (SELECT nullif(p.status, 'active') FROM partners AS p WHERE p.id = new.partner_id);
END;

-- Coverage -----------------------------------------------------------------------------------------

-- The few that staff has pinned. The public directory asks for them each time.
CREATE INDEX service_area_coverage_pinned
  ON service_area_coverage (state_code, partner_type, pinned_status)
  WHERE pinned_status IS NOT NULL;

-- Retries ------------------------------------------------------------------------------------------

-- A user's answers from the newest on, of which only some are kept.
CREATE INDEX idempotency_keys_by_user ON idempotency_keys (user_id, created_at);

-- Secrets ------------------------------------------------------------------------------------------

-- The migrator adds the keys, because SQLite's random numbers are not made for them.
CREATE TABLE secrets (
  name TEXT PRIMARY KEY NOT NULL,
  value BLOB NOT NULL CHECK (length(value) = 32)
) STRICT, WITHOUT ROWID;

-- Tokens -------------------------------------------------------------------------------------------

-- What an admin token may do. A token without a scope has none of staff's rights, so that "admin" says
-- nothing more.
ALTER TABLE tokens ADD COLUMN scope TEXT CHECK (scope IN ('admin', 'read', 'sync', 'events'));
UPDATE tokens SET scope = 'admin' WHERE admin;
ALTER TABLE tokens DROP COLUMN admin;

-- Who created it over HTTP; null: the command line did.
ALTER TABLE tokens ADD COLUMN created_by TEXT REFERENCES users (id);
UPDATE tokens
SET created_by = (
  SELECT actor_id FROM events WHERE subject_id = tokens.id AND kind = 'token.created');
CREATE INDEX tokens_by_creator ON tokens (created_by) WHERE created_by IS NOT NULL;

-- Quotas -------------------------------------------------------------------------------------------

-- What a user did in the last 24 hours. It replaces the index on actor_id alone.
DROP INDEX events_by_actor;
CREATE INDEX events_by_actor ON events (actor_id, at) WHERE actor_id IS NOT NULL;
