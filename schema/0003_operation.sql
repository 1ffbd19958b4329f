-- What it takes to run the desk: to find, follow up, vet, prove consent, and forget. Rows that are there already
-- are filled here.

-- Partners -----------------------------------------------------------------------------------------

-- Credentials --------------------------------------------------------------------------------------

-- Changes to review --------------------------------------------------------------------------------

-- Referral requests --------------------------------------------------------------------------------

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

-- Erasure ------------------------------------------------------------------------------------------
