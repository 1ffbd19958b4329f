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
  name_key = folded(company_name),
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

-- Coverage -----------------------------------------------------------------------------------------

-- Retries ------------------------------------------------------------------------------------------

-- Secrets ------------------------------------------------------------------------------------------

