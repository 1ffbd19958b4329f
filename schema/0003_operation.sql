-- What it takes to run the desk: to find, follow up, vet, prove consent, and forget. Rows that are there already
-- are filled here.

-- Partners -----------------------------------------------------------------------------------------

-- A day is TEXT such as 2026-11-22. Which day it is, only the service says: with today() in its statements.
ALTER TABLE partners ADD COLUMN description TEXT CHECK (length(description) <= 2000);
ALTER TABLE partners ADD COLUMN languages TEXT NOT NULL DEFAULT '[]'
  CHECK (json_valid(languages) AND json_type(languages) = 'array');
ALTER TABLE partners ADD COLUMN affiliation_disclosure TEXT
  CHECK (length(affiliation_disclosure) <= 500);
ALTER TABLE partners ADD COLUMN paused_until TEXT CHECK (length(paused_until) = 10);
ALTER TABLE partners ADD COLUMN max_open_referrals INTEGER
  CHECK (max_open_referrals BETWEEN 1 AND 1000);

-- Credentials --------------------------------------------------------------------------------------

-- The row's own key is "serial" here, because "number" is the credential's.
CREATE TABLE partner_credentials (
  serial INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  partner_id TEXT NOT NULL REFERENCES partners (id) ON DELETE CASCADE,
  kind TEXT NOT NULL
    CHECK (kind IN ('bar_admission', 'nmls', 'real_estate_license', 'title_license',
      'insurance_license', 'cpa_license', 'errors_and_omissions', 'other')),
  number TEXT NOT NULL CHECK (length(number) BETWEEN 1 AND 50),
  number_key TEXT NOT NULL,  -- number in lower case and without blanks
  state_code TEXT CHECK (length(state_code) = 2),
  issuer TEXT CHECK (length(issuer) <= 100),
  expires_on TEXT CHECK (length(expires_on) = 10),  -- the last good day; null: it does not expire
  -- The same for the indexes, with the last of all days instead of null.
  good_until TEXT NOT NULL CHECK (good_until = ifnull(expires_on, '9999-12-31')),
  verified_at TEXT,
  verified_by TEXT REFERENCES users (id),
  notes TEXT CHECK (length(notes) <= 2000),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  CHECK (verified_by IS NULL OR verified_at IS NOT NULL)
) STRICT;

CREATE UNIQUE INDEX partner_credentials_once
  ON partner_credentials (partner_id, kind, ifnull(state_code, ''), number_key);
CREATE INDEX partner_credentials_by_partner ON partner_credentials (partner_id, good_until);
CREATE INDEX partner_credentials_by_expiry ON partner_credentials (good_until);
CREATE INDEX partner_credentials_by_kind ON partner_credentials (kind, good_until);
CREATE INDEX partner_credentials_unverified ON partner_credentials (good_until)
  WHERE verified_at IS NULL;
CREATE INDEX partner_credentials_by_verifier ON partner_credentials (verified_by)
  WHERE verified_by IS NOT NULL;

-- The last day on which everything that staff verified of the partner is good: of each kind and state at least
-- one credential. Null if nothing is verified.
ALTER TABLE partners ADD COLUMN credentials_good_until TEXT;

CREATE VIEW partner_credentials_due (partner_id, good_until) AS
SELECT p.id,
  (SELECT min(good_until) FROM
    (SELECT max(c.good_until) AS good_until FROM partner_credentials AS c
     WHERE c.partner_id = p.id AND c.verified_at IS NOT NULL GROUP BY c.kind, c.state_code))
FROM partners AS p;

CREATE TRIGGER partner_credentials_inserted AFTER INSERT ON partner_credentials
WHEN new.verified_at IS NOT NULL
BEGIN
  UPDATE partners SET credentials_good_until =
    (SELECT good_until FROM partner_credentials_due WHERE partner_id = new.partner_id)
  WHERE id = new.partner_id;
END;

CREATE TRIGGER partner_credentials_updated
AFTER UPDATE OF kind, state_code, good_until, verified_at ON partner_credentials
WHEN new.verified_at IS NOT NULL OR old.verified_at IS NOT NULL
BEGIN
  UPDATE partners SET credentials_good_until =
    (SELECT good_until FROM partner_credentials_due WHERE partner_id = new.partner_id)
  WHERE id = new.partner_id;
END;

CREATE TRIGGER partner_credentials_deleted AFTER DELETE ON partner_credentials
WHEN old.verified_at IS NOT NULL
BEGIN
  UPDATE partners SET credentials_good_until =
    (SELECT good_until FROM partner_credentials_due WHERE partner_id = old.partner_id)
  WHERE id = old.partner_id;
END;

-- Changes to review --------------------------------------------------------------------------------

-- What an active partner proposes for its own fields, by field; null if nothing waits for a review.
ALTER TABLE partners ADD COLUMN pending_changes TEXT
  CHECK (
    pending_changes IS NULL
    OR (status = 'active' AND json_valid(pending_changes)
      AND json_type(pending_changes) = 'object' AND pending_changes <> '{}'));

CREATE INDEX partners_to_review_by_created_at ON partners (created_at)
  WHERE pending_changes IS NOT NULL;
CREATE INDEX partners_to_review_by_updated_at ON partners (updated_at)
  WHERE pending_changes IS NOT NULL;
CREATE INDEX partners_to_review_by_name_key ON partners (name_key)
  WHERE pending_changes IS NOT NULL;

-- The introductions of which the request's own row says nothing any more, because the request
-- returned to pending.
CREATE TABLE past_introductions (
  number INTEGER PRIMARY KEY,
  referral_number INTEGER NOT NULL REFERENCES referral_requests (number) ON DELETE CASCADE,
  partner_id TEXT NOT NULL REFERENCES partners (id),
  intro_sent_at TEXT NOT NULL
) STRICT;

CREATE INDEX past_introductions_by_referral ON past_introductions (referral_number);
CREATE INDEX past_introductions_by_partner ON past_introductions (partner_id, intro_sent_at);

-- The same as the history has it: the event that returned the request names the partner and the
-- time. Only requests that a partner lost are looked up. CROSS JOIN keeps this order.
CREATE VIEW ended_introductions (referral_number, partner_id, intro_sent_at, ended_at, actor_id) AS
SELECT r.number, e.changes ->> '$.partner_id.from', e.changes ->> '$.intro_sent_at.from', e.at,
  e.actor_id
FROM (SELECT DISTINCT referral_number FROM referral_past_partners) AS past
CROSS JOIN referral_requests AS r ON r.number = past.referral_number
CROSS JOIN events AS e ON e.subject_id = r.id
WHERE e.subject_kind = 'referral' AND e.changes ->> '$.intro_sent_at.from' IS NOT NULL
  AND e.changes ->> '$.intro_sent_at.to' IS NULL;

INSERT INTO past_introductions (referral_number, partner_id, intro_sent_at)
SELECT referral_number, partner_id, intro_sent_at FROM ended_introductions;

CREATE TRIGGER past_introductions_kept AFTER UPDATE OF intro_sent_at ON referral_requests
WHEN old.intro_sent_at IS NOT NULL AND new.intro_sent_at IS NULL
BEGIN
  INSERT INTO past_introductions (referral_number, partner_id, intro_sent_at)
  VALUES (new.number, old.partner_id, old.intro_sent_at);
END;

-- Each introduction that a partner declined. It counts for good, whatever becomes of the request.
CREATE TABLE declines (
  number INTEGER PRIMARY KEY,
  referral_number INTEGER NOT NULL REFERENCES referral_requests (number) ON DELETE CASCADE,
  partner_id TEXT NOT NULL REFERENCES partners (id),
  intro_sent_at TEXT NOT NULL,
  declined_at TEXT NOT NULL,
  reason_code TEXT NOT NULL
    CHECK (reason_code IN ('conflict_of_interest', 'no_capacity', 'outside_area',
      'outside_practice', 'terms', 'other'))
) STRICT;

-- Until now, staff took requests back with the same change. What a partner's user did, one that is
-- linked now or was before, is a decline.
INSERT INTO declines (referral_number, partner_id, intro_sent_at, declined_at, reason_code)
SELECT i.referral_number, i.partner_id, i.intro_sent_at, i.ended_at, 'other'
FROM ended_introductions AS i JOIN partners AS p ON p.id = i.partner_id
WHERE i.actor_id = p.user_id
  OR EXISTS (SELECT 1 FROM events AS linked
    WHERE linked.subject_id = p.id AND linked.subject_kind = 'partner'
      AND linked.changes ->> '$.user_id.to' = i.actor_id);

CREATE INDEX declines_by_referral ON declines (referral_number, partner_id);
CREATE INDEX declines_by_partner ON declines (partner_id, declined_at);
CREATE INDEX declines_by_reason ON declines (reason_code, declined_at);

-- Referral requests --------------------------------------------------------------------------------

-- The member whom the partner is put in touch with; null: nobody yet.
ALTER TABLE referral_requests ADD COLUMN contact_id TEXT REFERENCES users (id);
-- Who of staff looks after it, and the day on which to look at it again.
ALTER TABLE referral_requests ADD COLUMN assigned_to TEXT REFERENCES users (id);
ALTER TABLE referral_requests ADD COLUMN follow_up_on TEXT CHECK (length(follow_up_on) = 10);
-- Which text the requester agreed to before contact data is shared, and when.
ALTER TABLE referral_requests ADD COLUMN consent_version TEXT
  CHECK (length(consent_version) BETWEEN 1 AND 50);
ALTER TABLE referral_requests ADD COLUMN consented_at TEXT;
-- When the status became what it is: at first, the time of creation.
ALTER TABLE referral_requests RENAME COLUMN status_changed_at TO status_since;

UPDATE referral_requests SET
  status_since = ifnull(status_since, created_at),
  contact_id = (SELECT user_id FROM group_members
    WHERE group_id = referral_requests.group_id AND user_id = requested_by);

CREATE TRIGGER referral_status_since_inserted AFTER INSERT ON referral_requests
WHEN new.status_since IS NULL
BEGIN
  UPDATE referral_requests SET status_since = new.created_at WHERE number = new.number;
END;

-- The working list. Each index has a filter of it, and an order.
CREATE INDEX referral_requests_by_status_since ON referral_requests (status, status_since);
CREATE INDEX referral_requests_by_since ON referral_requests (status_since);
CREATE INDEX referral_requests_by_assignee ON referral_requests (assigned_to, status, created_at);
CREATE INDEX referral_requests_by_assignee_update
  ON referral_requests (assigned_to, status, updated_at);
CREATE INDEX referral_requests_by_assignee_since
  ON referral_requests (assigned_to, status, status_since);
CREATE INDEX referral_requests_by_partner_status_since
  ON referral_requests (partner_status_unless_active, status, status_since)
  WHERE partner_status_unless_active IS NOT NULL;
CREATE INDEX referral_requests_by_follow_up ON referral_requests (status, follow_up_on)
  WHERE follow_up_on IS NOT NULL;

-- Search over referral requests --------------------------------------------------------------------

-- The folded words by which staff finds users, groups, and the requests that name them. The service derives them
-- when it writes the row.
ALTER TABLE users ADD COLUMN words TEXT NOT NULL DEFAULT '';  -- of the name and the e-mail address
ALTER TABLE groups ADD COLUMN words TEXT NOT NULL DEFAULT '';  -- of the name
ALTER TABLE partners ADD COLUMN company_words TEXT NOT NULL DEFAULT '';

-- Both tables have text keys alone, and the search index needs a number for each row. A trigger gives it.
ALTER TABLE users ADD COLUMN number INTEGER;
ALTER TABLE groups ADD COLUMN number INTEGER;

UPDATE users SET words = search_words(name, email), number = numbered.number
FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS number FROM users) AS numbered
WHERE numbered.id = users.id;
UPDATE groups SET words = search_words(name), number = numbered.number
FROM (SELECT id, row_number() OVER (ORDER BY created_at, id) AS number FROM groups) AS numbered
WHERE numbered.id = groups.id;
UPDATE partners SET company_words = search_words(company_name);

CREATE UNIQUE INDEX users_by_number ON users (number);
CREATE UNIQUE INDEX groups_by_number ON groups (number);

CREATE VIRTUAL TABLE users_search USING fts5 (
  words, content = 'users', content_rowid = 'number', tokenize = 'ascii', prefix = '1 2 3'
);
CREATE VIRTUAL TABLE groups_search USING fts5 (
  words, content = 'groups', content_rowid = 'number', tokenize = 'ascii', prefix = '1 2 3'
);
INSERT INTO users_search (users_search) VALUES ('rebuild');
INSERT INTO groups_search (groups_search) VALUES ('rebuild');

CREATE TRIGGER users_search_inserted AFTER INSERT ON users
BEGIN
  UPDATE users SET number = (SELECT ifnull(max(number), 0) + 1 FROM users) WHERE id = new.id;
  INSERT INTO users_search (rowid, words) SELECT number, words FROM users WHERE id = new.id;
END;

CREATE TRIGGER users_search_deleted AFTER DELETE ON users
BEGIN
  INSERT INTO users_search (users_search, rowid, words) VALUES ('delete', old.number, old.words);
END;

CREATE TRIGGER users_search_updated AFTER UPDATE OF words ON users WHEN new.words <> old.words
BEGIN
  INSERT INTO users_search (users_search, rowid, words) VALUES ('delete', old.number, old.words);
  INSERT INTO users_search (rowid, words) VALUES (new.number, new.words);
END;

CREATE TRIGGER groups_search_inserted AFTER INSERT ON groups
BEGIN
  UPDATE groups SET number = (SELECT ifnull(max(number), 0) + 1 FROM groups) WHERE id = new.id;
  INSERT INTO groups_search (rowid, words) SELECT number, words FROM groups WHERE id = new.id;
END;

CREATE TRIGGER groups_search_deleted AFTER DELETE ON groups
BEGIN
  INSERT INTO groups_search (groups_search, rowid, words) VALUES ('delete', old.number, old.words);
END;

CREATE TRIGGER groups_search_updated AFTER UPDATE OF words ON groups WHEN new.words <> old.words
BEGIN
  INSERT INTO groups_search (groups_search, rowid, words) VALUES ('delete', old.number, old.words);
  INSERT INTO groups_search (rowid, words) VALUES (new.number, new.words);
END;

-- People -------------------------------------------------------------------------------------------

-- The order of names, derived as the partners' is.
ALTER TABLE users ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE users SET name_key = sort_key(name);
UPDATE groups SET name_key = sort_key(name);

-- Staff's lists. In each index the ID follows, which breaks ties.
CREATE INDEX users_by_name ON users (disabled, name_key);
CREATE INDEX users_by_creation ON users (disabled, created_at);
CREATE INDEX groups_by_name ON groups (name_key);
CREATE INDEX groups_by_creation ON groups (created_at);
CREATE INDEX groups_by_state_name ON groups (state, name_key);
CREATE INDEX groups_by_state_creation ON groups (state, created_at);
-- What a search needs to sort its matches, by their numbers.
CREATE INDEX users_for_search ON users (number, name_key, created_at, disabled);
CREATE INDEX groups_for_search ON groups (number, name_key, created_at, state);

-- The list of events with filters. An event's kind begins with its subject's kind, so that these also find the
-- events of a kind of subject, one kind after the other.
CREATE INDEX events_by_kind ON events (kind);
CREATE INDEX events_by_actor_kind ON events (actor_id, kind) WHERE actor_id IS NOT NULL;

-- Erasure ------------------------------------------------------------------------------------------

-- The people and partners whose personal data was erased. A restored backup has it again, so that these are
-- erased again in it.
CREATE TABLE erasures (
  -- The event that records the erasure. The row is written before the event: in between, events may be edited.
  -- A transaction without the event can't be committed.
  event_number INTEGER PRIMARY KEY
    REFERENCES events (number) DEFERRABLE INITIALLY DEFERRED,
  subject_kind TEXT NOT NULL CHECK (subject_kind = 'user' OR subject_kind = 'partner'),
  subject_id TEXT NOT NULL CHECK (length(subject_id) = 36),
  UNIQUE (subject_kind, subject_id)
) STRICT;

DROP TRIGGER events_are_never_edited;
CREATE TRIGGER events_are_never_edited BEFORE UPDATE ON events
WHEN NOT EXISTS (
    SELECT 1 FROM erasures WHERE event_number > (SELECT max(number) FROM events))
  OR new.number <> old.number OR new.at <> old.at OR new.actor_id IS NOT old.actor_id
  OR new.subject_kind <> old.subject_kind OR new.subject_id <> old.subject_id
  OR new.kind <> old.kind
BEGIN
  SELECT raise(ABORT, 'an event is never edited');
END;
