-- Messages: what the service tells people by mail, and what people ask for by mail.

-- Events of messages -------------------------------------------------------------------------------

-- A message can be the subject of an event. To change a CHECK, its text in the schema is edited: a new table would
-- copy every event (https://www.sqlite.org/lang_altertable.html, section 7). The tables below make other
-- connections read the schema again.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(sql, 'subject_kind = ''database'')', 'subject_kind = ''database'' OR subject_kind = ''message'')')
WHERE type = 'table' AND name = 'events';
PRAGMA writable_schema = RESET;

-- The waiting list ---------------------------------------------------------------------------------

-- Who wants to know when a type of partner becomes available in a state. A row is deleted when its letter is
-- sent, when the person leaves, or after 7 days without a confirmation.
CREATE TABLE waiting_list (
  id TEXT PRIMARY KEY CHECK (length(id) = 36),
  email TEXT NOT NULL CHECK (length(email) <= 255),
  email_key TEXT NOT NULL,
  state_code TEXT NOT NULL,
  partner_type TEXT NOT NULL,
  created_at TEXT NOT NULL,
  confirmed_at TEXT,  -- null: it does not count yet
  FOREIGN KEY (state_code, partner_type) REFERENCES service_area_coverage (state_code, partner_type),
  UNIQUE (email_key, state_code, partner_type)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_list_by_place ON waiting_list (state_code, partner_type)
  WHERE confirmed_at IS NOT NULL;
CREATE INDEX waiting_list_unconfirmed ON waiting_list (created_at) WHERE confirmed_at IS NULL;

-- Messages -----------------------------------------------------------------------------------------

CREATE TABLE messages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE CHECK (length(id) = 36),
  kind TEXT NOT NULL,
  -- The address and the name; null once they are erased or forgotten.
  recipient TEXT CHECK (length(recipient) <= 255),
  recipient_key TEXT,
  recipient_name TEXT,
  to_staff INTEGER NOT NULL CHECK (to_staff IN (0, 1)),
  subject TEXT NOT NULL,
  -- Null: the mailer writes it when it hands the letter over, or it is erased or forgotten.
  text TEXT,
  status TEXT NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'sending', 'sent', 'failed', 'cancelled')),
  referral_id TEXT REFERENCES referral_requests (id) ON DELETE CASCADE,
  partner_id TEXT REFERENCES partners (id),
  user_id TEXT REFERENCES users (id),  -- the user whom it is for
  credential_id TEXT REFERENCES partner_credentials (id) ON DELETE SET NULL,
  waiting_id TEXT REFERENCES waiting_list (id) ON DELETE SET NULL,
  -- What it was made for, if that must happen only once.
  cause TEXT UNIQUE,
  -- RFC 5322, section 3.6.4. It stays the same if the letter is handed over again.
  message_id TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  last_error TEXT,
  created_at TEXT NOT NULL,
  due_at TEXT NOT NULL,  -- it is handed over from then on
  sent_at TEXT,
  CHECK ((recipient IS NULL) = (recipient_key IS NULL)),
  CHECK (recipient IS NOT NULL OR status NOT IN ('queued', 'sending')),
  CHECK ((sent_at IS NOT NULL) = (status = 'sent'))
) STRICT;

CREATE INDEX messages_due ON messages (due_at) WHERE status = 'queued';
CREATE INDEX messages_in_hand ON messages (status) WHERE status = 'sending';
CREATE INDEX messages_by_status ON messages (status, kind);
CREATE INDEX messages_by_kind ON messages (kind);
CREATE INDEX messages_by_referral ON messages (referral_id) WHERE referral_id IS NOT NULL;
CREATE INDEX messages_by_partner ON messages (partner_id) WHERE partner_id IS NOT NULL;
CREATE INDEX messages_by_user ON messages (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX messages_by_credential ON messages (credential_id) WHERE credential_id IS NOT NULL;
CREATE INDEX messages_by_waiting ON messages (waiting_id) WHERE waiting_id IS NOT NULL;
CREATE INDEX messages_by_recipient ON messages (recipient_key) WHERE recipient_key IS NOT NULL;
CREATE INDEX messages_sent_to ON messages (recipient_key, sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX messages_with_text ON messages (ifnull(sent_at, created_at)) WHERE text IS NOT NULL;

-- How many messages have each status.
CREATE TABLE message_counts (
  status TEXT PRIMARY KEY,
  count INTEGER NOT NULL CHECK (count >= 0)
) STRICT, WITHOUT ROWID;

INSERT INTO message_counts (status, count)
VALUES ('queued', 0), ('sending', 0), ('sent', 0), ('failed', 0), ('cancelled', 0);

CREATE TRIGGER messages_counted AFTER INSERT ON messages
BEGIN
  UPDATE message_counts SET count = count + 1 WHERE status = new.status;
END;

CREATE TRIGGER messages_recounted AFTER UPDATE OF status ON messages WHEN new.status <> old.status
BEGIN
  UPDATE message_counts SET count = count - 1 WHERE status = old.status;
  UPDATE message_counts SET count = count + 1 WHERE status = new.status;
END;

CREATE TRIGGER messages_discounted AFTER DELETE ON messages
BEGIN
  UPDATE message_counts SET count = count - 1 WHERE status = old.status;
END;

-- A person who no longer waits is forgotten. What is not sent yet has no reason any more.
CREATE TRIGGER waiting_list_forgotten BEFORE DELETE ON waiting_list
BEGIN
  UPDATE messages SET status = 'cancelled'
  WHERE waiting_id = old.id AND status IN ('queued', 'sending');
  UPDATE messages
  SET recipient = NULL, recipient_key = NULL, recipient_name = NULL, text = NULL, last_error = NULL
  WHERE waiting_id = old.id;
END;

-- Codes --------------------------------------------------------------------------------------------

-- The hashes of the codes that letters carry. The codes themselves are nowhere.
CREATE TABLE sign_in_codes (
  sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
  user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  scope TEXT CHECK (scope = 'admin'),  -- null: a token without the rights of staff
  -- The message that carries it; null: the command line printed it.
  message_number INTEGER REFERENCES messages (number) ON DELETE CASCADE,
  expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_codes_by_user ON sign_in_codes (user_id);
CREATE INDEX sign_in_codes_by_message ON sign_in_codes (message_number)
  WHERE message_number IS NOT NULL;
CREATE INDEX sign_in_codes_by_expiry ON sign_in_codes (expires_at);

CREATE TABLE waiting_codes (
  sha256 BLOB PRIMARY KEY CHECK (length(sha256) = 32),
  waiting_id TEXT NOT NULL REFERENCES waiting_list (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_codes_by_waiting ON waiting_codes (waiting_id);
