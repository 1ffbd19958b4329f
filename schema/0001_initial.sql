-- The data model of the product document (partners, referral requests, service area coverage), in
-- SQLite's types: a UUID is 36 characters of lower-case TEXT, JSONB is TEXT that json_valid() accepts,
-- TIMESTAMPTZ is TEXT in UTC such as 2026-11-22T14:30:28.123Z (so that text order is time order),
-- BOOLEAN is 0 or 1. Beside it: the accounts and groups that other systems own, tokens, the history,
-- idempotency keys, and what is derived, which triggers alone write.
--
-- "number" is a row's own integer key. It is declared because VACUUM may renumber undeclared ones, and
-- the search index and the pages of lists hold on to it.

PRAGMA application_id = 0x546F6D69; -- "Tomi"

-- Accounts and groups ------------------------------------------------------------------------------

CREATE TABLE users (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36),
  email TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 255),
  email_key TEXT NOT NULL UNIQUE,  -- email in lower case: one account per e-mail, case aside
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE groups (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  state TEXT CHECK (length(state) = 2),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
  group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id TEXT NOT NULL REFERENCES users (id),
  PRIMARY KEY (group_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_members_by_user ON group_members (user_id);

CREATE TABLE tokens (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36),
  user_id TEXT NOT NULL REFERENCES users (id),
  admin INTEGER NOT NULL CHECK (admin IN (0, 1)),
  name TEXT CHECK (length(name) <= 100),
  sha256 BLOB NOT NULL UNIQUE CHECK (length(sha256) = 32),  -- the token itself is kept nowhere
  created_at TEXT NOT NULL,
  expires_at TEXT,  -- null: never
  revoked_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_by_user ON tokens (user_id);

-- Partners -----------------------------------------------------------------------------------------

CREATE TABLE partners (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  user_id TEXT REFERENCES users (id),
  type TEXT NOT NULL
    CHECK (type IN ('attorney', 'lender', 'agent', 'title', 'insurance', 'cpa')),
  status TEXT NOT NULL
    CHECK (status IN ('invited', 'pending_review', 'active', 'inactive', 'removed')),
  company_name TEXT NOT NULL CHECK (length(company_name) BETWEEN 1 AND 200),
  contact_name TEXT CHECK (length(contact_name) <= 100),
  email TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 255),
  email_key TEXT NOT NULL,  -- email in lower case
  phone TEXT CHECK (length(phone) <= 20),
  website TEXT CHECK (length(website) <= 255),
  service_areas TEXT NOT NULL DEFAULT '[]'
    CHECK (json_valid(service_areas) AND json_type(service_areas) = 'array'),
  co_ownership_certified INTEGER NOT NULL DEFAULT 0 CHECK (co_ownership_certified IN (0, 1)),
  agreement_signed_at TEXT,
  invited_by TEXT REFERENCES users (id),  -- null: imported from the command line
  notes TEXT CHECK (length(notes) <= 10000),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  CHECK (
    status <> 'active'
    OR (agreement_signed_at IS NOT NULL AND json_array_length(service_areas) > 0))
) STRICT;

CREATE UNIQUE INDEX partners_one_per_email ON partners (type, email_key) WHERE status <> 'removed';
CREATE UNIQUE INDEX partners_one_per_user ON partners (user_id)
  WHERE user_id IS NOT NULL AND status <> 'removed';
CREATE INDEX partners_by_creation ON partners (created_at);
CREATE INDEX partners_by_update ON partners (updated_at);
CREATE INDEX partners_by_company ON partners (company_name COLLATE NOCASE);
CREATE INDEX partners_by_status ON partners (status, created_at);
CREATE INDEX partners_by_type ON partners (type, created_at);
-- The public directory, where no state is asked for.
CREATE INDEX partners_active_by_company ON partners (company_name COLLATE NOCASE)
  WHERE status = 'active';
CREATE INDEX partners_active_by_creation ON partners (created_at) WHERE status = 'active';
CREATE INDEX partners_active_by_type_company ON partners (type, company_name COLLATE NOCASE)
  WHERE status = 'active';
CREATE INDEX partners_active_by_type_creation ON partners (type, created_at)
  WHERE status = 'active';
-- Foreign keys are looked up by these when a user is removed.
CREATE INDEX partners_by_user ON partners (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX partners_by_inviter ON partners (invited_by) WHERE invited_by IS NOT NULL;

-- A row for each state that a partner serves: derived from partners.service_areas.
CREATE TABLE partner_areas (
  partner_number INTEGER NOT NULL REFERENCES partners (number) ON DELETE CASCADE,
  state_code TEXT NOT NULL,
  type TEXT NOT NULL,
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  company_name TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (partner_number, state_code)
) STRICT, WITHOUT ROWID;

CREATE INDEX partner_areas_by_state ON partner_areas (state_code, partner_number);
-- The public directory in one state. "active" is in the indexes as well, or SQLite would look each row up
-- in the table for it.
CREATE INDEX partner_areas_active_by_company
  ON partner_areas (state_code, type, company_name COLLATE NOCASE, partner_number, active)
  WHERE active = 1;
CREATE INDEX partner_areas_active_by_creation
  ON partner_areas (state_code, type, created_at, partner_number, active)
  WHERE active = 1;

CREATE TRIGGER partner_areas_inserted AFTER INSERT ON partners
BEGIN
  INSERT INTO partner_areas (partner_number, state_code, type, active, company_name, created_at)
  SELECT DISTINCT
    new.number, area.value, new.type, new.status = 'active', new.company_name, new.created_at
  FROM json_each(new.service_areas) AS area;
END;

-- Rows that stay are changed in place, not removed and written again: a count that touched 0 in between
-- would end a pinned status.
CREATE TRIGGER partner_areas_updated
AFTER UPDATE OF service_areas, type, status, company_name ON partners
WHEN new.service_areas <> old.service_areas OR new.type <> old.type
  OR (new.status = 'active') <> (old.status = 'active') OR new.company_name <> old.company_name
BEGIN
  INSERT INTO partner_areas (partner_number, state_code, type, active, company_name, created_at)
  SELECT DISTINCT
    new.number, area.value, new.type, new.status = 'active', new.company_name, new.created_at
  FROM json_each(new.service_areas) AS area
  WHERE area.value NOT IN
    (SELECT state_code FROM partner_areas WHERE partner_number = new.number);
  DELETE FROM partner_areas
  WHERE partner_number = new.number
    AND state_code NOT IN (SELECT value FROM json_each(new.service_areas));
  UPDATE partner_areas
  SET type = new.type, active = (new.status = 'active'), company_name = new.company_name
  WHERE partner_number = new.number
    AND (type <> new.type OR active <> (new.status = 'active')
      OR company_name <> new.company_name);
END;

-- Search by words: an index over the partners' own columns, kept by these triggers.
CREATE VIRTUAL TABLE partners_search USING fts5 (
  company_name, contact_name, email, notes,
  content = 'partners', content_rowid = 'number',
  tokenize = 'unicode61 remove_diacritics 2',
  prefix = '1 2 3'  -- so that the beginning of a word is as quick to find as a word
);

CREATE TRIGGER partners_search_inserted AFTER INSERT ON partners
BEGIN
  INSERT INTO partners_search (rowid, company_name, contact_name, email, notes)
  VALUES (new.number, new.company_name, new.contact_name, new.email, new.notes);
END;

CREATE TRIGGER partners_search_deleted AFTER DELETE ON partners
BEGIN
  INSERT INTO partners_search (partners_search, rowid, company_name, contact_name, email, notes)
  VALUES ('delete', old.number, old.company_name, old.contact_name, old.email, old.notes);
END;

CREATE TRIGGER partners_search_updated
AFTER UPDATE OF company_name, contact_name, email, notes ON partners
WHEN new.company_name <> old.company_name OR new.contact_name IS NOT old.contact_name
  OR new.email <> old.email OR new.notes IS NOT old.notes
BEGIN
  INSERT INTO partners_search (partners_search, rowid, company_name, contact_name, email, notes)
  VALUES ('delete', old.number, old.company_name, old.contact_name, old.email, old.notes);
  INSERT INTO partners_search (rowid, company_name, contact_name, email, notes)
  VALUES (new.number, new.company_name, new.contact_name, new.email, new.notes);
END;

-- Service area coverage ----------------------------------------------------------------------------

CREATE TABLE service_area_coverage (
  id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 36),
  state_code TEXT NOT NULL CHECK (length(state_code) = 2),
  partner_type TEXT NOT NULL
    CHECK (partner_type IN ('attorney', 'lender', 'agent', 'title', 'insurance', 'cpa')),
  status TEXT NOT NULL CHECK (status IN ('available', 'coming_soon', 'unavailable')),
  partner_count INTEGER NOT NULL DEFAULT 0 CHECK (partner_count >= 0),
  -- What staff has pinned; null follows the count.
  pinned_status TEXT CHECK (pinned_status IN ('available', 'coming_soon', 'unavailable')),
  -- The status at a count of 0: coming_soon where a launch is planned or there ever was a partner.
  status_without_partners TEXT NOT NULL
    CHECK (status_without_partners IN ('coming_soon', 'unavailable')),
  UNIQUE (state_code, partner_type),
  CHECK (pinned_status IS NOT 'available' OR partner_count > 0)
) STRICT;

CREATE TRIGGER coverage_counts_area_inserted AFTER INSERT ON partner_areas WHEN new.active
BEGIN
  UPDATE service_area_coverage
  SET partner_count = partner_count + 1, status_without_partners = 'coming_soon'
  WHERE state_code = new.state_code AND partner_type = new.type;
END;

CREATE TRIGGER coverage_counts_area_deleted AFTER DELETE ON partner_areas WHEN old.active
BEGIN
  UPDATE service_area_coverage
  SET partner_count = partner_count - 1,
    pinned_status =
      CASE WHEN partner_count = 1 AND pinned_status = 'available' THEN NULL ELSE pinned_status END
  WHERE state_code = old.state_code AND partner_type = old.type;
END;

CREATE TRIGGER coverage_counts_area_updated AFTER UPDATE OF type, active ON partner_areas
WHEN new.active <> old.active OR new.type <> old.type
BEGIN
  UPDATE service_area_coverage
  SET partner_count = partner_count - 1,
    pinned_status =
      CASE WHEN partner_count = 1 AND pinned_status = 'available' THEN NULL ELSE pinned_status END
  WHERE old.active AND state_code = old.state_code AND partner_type = old.type;
  UPDATE service_area_coverage
  SET partner_count = partner_count + 1, status_without_partners = 'coming_soon'
  WHERE new.active AND state_code = new.state_code AND partner_type = new.type;
END;

CREATE TRIGGER coverage_status_follows
AFTER UPDATE OF partner_count, pinned_status ON service_area_coverage
BEGIN
  UPDATE service_area_coverage
  SET status = CASE
    WHEN new.pinned_status IS NOT NULL THEN new.pinned_status
    WHEN new.partner_count > 0 THEN 'available'
    ELSE new.status_without_partners
  END
  WHERE id = new.id;
END;

INSERT INTO service_area_coverage (id, state_code, partner_type, status, status_without_partners)
WITH
  state (code) AS (
    VALUES
      ('AK'), ('AL'), ('AR'), ('AZ'), ('CA'), ('CO'), ('CT'), ('DC'), ('DE'), ('FL'), ('GA'),
      ('HI'), ('IA'), ('ID'), ('IL'), ('IN'), ('KS'), ('KY'), ('LA'), ('MA'), ('MD'), ('ME'),
      ('MI'), ('MN'), ('MO'), ('MS'), ('MT'), ('NC'), ('ND'), ('NE'), ('NH'), ('NJ'), ('NM'),
      ('NV'), ('NY'), ('OH'), ('OK'), ('OR'), ('PA'), ('RI'), ('SC'), ('SD'), ('TN'), ('TX'),
      ('UT'), ('VA'), ('VT'), ('WA'), ('WI'), ('WV'), ('WY')),
  type (name) AS (
    VALUES ('attorney'), ('lender'), ('agent'), ('title'), ('insurance'), ('cpa'))
SELECT
  -- A random UUID, version 4 (RFC 9562, section 5.4).
  lower(printf('%s-%s-4%s-%s%s-%s', hex(randomblob(4)), hex(randomblob(2)),
    substr(hex(randomblob(2)), 2), substr('89ab', 1 + (random() & 3), 1),
    substr(hex(randomblob(2)), 2), hex(randomblob(6)))),
  code, name, iif(code IN ('MN', 'CA'), 'coming_soon', 'unavailable'),
  iif(code IN ('MN', 'CA'), 'coming_soon', 'unavailable')
FROM state, type;

-- Referral requests --------------------------------------------------------------------------------

-- Words are compared one by one here and in the history: for an IN of three or more, SQLite builds a table
-- each time it is asked.
CREATE TABLE referral_requests (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  group_id TEXT NOT NULL REFERENCES groups (id),
  requested_by TEXT NOT NULL REFERENCES users (id),
  partner_type TEXT NOT NULL
    CHECK (
      partner_type = 'attorney' OR partner_type = 'lender' OR partner_type = 'agent'
      OR partner_type = 'title' OR partner_type = 'insurance' OR partner_type = 'cpa'),
  status TEXT NOT NULL
    CHECK (
      status = 'pending' OR status = 'matched' OR status = 'intro_sent' OR status = 'connected'
      OR status = 'closed' OR status = 'cancelled'),
  context TEXT NOT NULL CHECK (json_valid(context) AND json_type(context) = 'object'),
  partner_id TEXT REFERENCES partners (id),
  intro_sent_at TEXT,
  outcome TEXT
    CHECK (
      outcome = 'engaged' OR outcome = 'not_engaged' OR outcome = 'deal_closed'
      OR outcome = 'unknown'),
  outcome_notes TEXT CHECK (length(outcome_notes) <= 10000),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  -- When the status became what it is; null since the creation.
  status_changed_at TEXT,
  connected_at TEXT,  -- when the partner and the group got to work
  -- The context's, for the indexes. No generated column: SQLite 3.40 cannot VACUUM this table then.
  state TEXT CHECK (state IS (context ->> '$.state')),
  CHECK (status <> 'pending' OR partner_id IS NULL),
  CHECK (status IN ('pending', 'cancelled') OR partner_id IS NOT NULL),
  CHECK (status NOT IN ('pending', 'matched') OR intro_sent_at IS NULL),
  CHECK (
    status <> 'intro_sent' AND status <> 'connected' AND status <> 'closed'
    OR intro_sent_at IS NOT NULL),
  CHECK (status <> 'closed' OR outcome IS NOT NULL),
  CHECK (status = 'connected' OR status = 'closed' OR status = 'cancelled' OR outcome IS NULL)
) STRICT;

-- A group has one open request for a type and a state; no state counts as one.
CREATE UNIQUE INDEX referral_requests_one_open
  ON referral_requests (group_id, partner_type, ifnull(state, ''))
  WHERE status = 'pending' OR status = 'matched' OR status = 'intro_sent';
CREATE INDEX referral_requests_by_creation ON referral_requests (created_at);
CREATE INDEX referral_requests_by_update ON referral_requests (updated_at);
CREATE INDEX referral_requests_by_status ON referral_requests (status, created_at);
CREATE INDEX referral_requests_by_status_update ON referral_requests (status, updated_at);
CREATE INDEX referral_requests_by_state ON referral_requests (state, created_at);
CREATE INDEX referral_requests_by_group ON referral_requests (group_id, created_at);
CREATE INDEX referral_requests_by_requester ON referral_requests (requested_by, created_at);
CREATE INDEX referral_requests_by_partner ON referral_requests (partner_id, created_at)
  WHERE partner_id IS NOT NULL;
CREATE INDEX referral_requests_by_introduction ON referral_requests (partner_id, intro_sent_at)
  WHERE intro_sent_at IS NOT NULL;
CREATE INDEX referral_requests_open_by_partner ON referral_requests (partner_id)
  WHERE partner_id IS NOT NULL AND status IN ('matched', 'intro_sent');

CREATE TRIGGER partner_type_is_fixed BEFORE UPDATE OF type ON partners
WHEN new.type <> old.type
  AND EXISTS (SELECT 1 FROM referral_requests WHERE partner_id = old.id)
BEGIN
  SELECT raise(ABORT, 'a referral names this partner, so its type is fixed');
END;

-- The partners that a request was taken from or that gave it back: they are not proposed for it again.
CREATE TABLE referral_past_partners (
  referral_number INTEGER NOT NULL REFERENCES referral_requests (number) ON DELETE CASCADE,
  partner_id TEXT NOT NULL REFERENCES partners (id),
  PRIMARY KEY (referral_number, partner_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX referral_past_partners_by_partner ON referral_past_partners (partner_id);

CREATE TRIGGER referral_past_partners_kept AFTER UPDATE OF partner_id ON referral_requests
WHEN old.partner_id IS NOT NULL AND new.partner_id IS NOT old.partner_id
BEGIN
  INSERT OR IGNORE INTO referral_past_partners (referral_number, partner_id)
  VALUES (new.number, old.partner_id);
END;

-- How many requests there are, for staff's overview: kept, since counting a million takes too long.
CREATE TABLE referral_counts (
  status TEXT NOT NULL,
  partner_type TEXT NOT NULL,
  state TEXT NOT NULL,  -- empty: the requests that name no state
  count INTEGER NOT NULL CHECK (count >= 0),
  PRIMARY KEY (status, partner_type, state)
) STRICT, WITHOUT ROWID;

-- How long requests stayed in a status before the next: one row for each number of tenths of a day.
CREATE TABLE referral_steps (
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  tenths_of_days INTEGER NOT NULL CHECK (tenths_of_days >= 0),
  count INTEGER NOT NULL CHECK (count > 0),
  PRIMARY KEY (from_status, to_status, tenths_of_days)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER referral_counts_inserted AFTER INSERT ON referral_requests
BEGIN
  INSERT INTO referral_counts (status, partner_type, state, count)
  VALUES (new.status, new.partner_type, ifnull(new.state, ''), 1)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER referral_counts_updated
AFTER UPDATE OF status, partner_type, context ON referral_requests
WHEN new.status <> old.status OR new.partner_type <> old.partner_type
  OR new.state IS NOT old.state
BEGIN
  UPDATE referral_counts SET count = count - 1
  WHERE status = old.status AND partner_type = old.partner_type AND state = ifnull(old.state, '');
  INSERT INTO referral_counts (status, partner_type, state, count)
  VALUES (new.status, new.partner_type, ifnull(new.state, ''), 1)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TRIGGER referral_counts_deleted AFTER DELETE ON referral_requests
BEGIN
  UPDATE referral_counts SET count = count - 1
  WHERE status = old.status AND partner_type = old.partner_type AND state = ifnull(old.state, '');
END;

CREATE TRIGGER referral_steps_counted AFTER UPDATE OF status ON referral_requests
WHEN new.status <> old.status AND new.status_changed_at IS NOT NULL
BEGIN
  INSERT INTO referral_steps (from_status, to_status, tenths_of_days, count)
  VALUES (old.status, new.status,
    max(0, CAST(round(10 * (julianday(new.status_changed_at)
      - julianday(ifnull(old.status_changed_at, old.created_at)))) AS INTEGER)), 1)
  ON CONFLICT DO UPDATE SET count = count + 1;
END;

-- History ------------------------------------------------------------------------------------------

-- AUTOINCREMENT: a number is never given twice, so that whoever follows the events misses none.
CREATE TABLE events (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  actor_id TEXT REFERENCES users (id),  -- null: the system
  subject_kind TEXT NOT NULL
    CHECK (
      subject_kind = 'partner' OR subject_kind = 'referral' OR subject_kind = 'coverage'
      OR subject_kind = 'user' OR subject_kind = 'group' OR subject_kind = 'token'
      OR subject_kind = 'database'),
  subject_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  changes TEXT NOT NULL CHECK (json_valid(changes) AND json_type(changes) = 'object'),
  note TEXT
) STRICT;

CREATE INDEX events_by_subject ON events (subject_id);
CREATE INDEX events_by_actor ON events (actor_id) WHERE actor_id IS NOT NULL;

CREATE TRIGGER events_are_never_edited BEFORE UPDATE ON events
BEGIN
  SELECT raise(ABORT, 'an event is never edited');
END;

CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events
BEGIN
  SELECT raise(ABORT, 'an event is never removed');
END;

-- Retries ------------------------------------------------------------------------------------------

CREATE TABLE idempotency_keys (
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  path TEXT NOT NULL,
  key TEXT NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  request_sha256 BLOB NOT NULL CHECK (length(request_sha256) = 32),
  status INTEGER NOT NULL,
  location TEXT,
  etag TEXT,
  body BLOB NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (user_id, path, key)
) STRICT;

CREATE INDEX idempotency_keys_by_creation ON idempotency_keys (created_at);
