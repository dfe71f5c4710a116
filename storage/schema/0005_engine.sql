-- The engine under load: a cache with a size, the questions its answers were made for, and ends of steps that name them.
-- Times are Unix time.

-- The body stands last, so that a look at the other columns of a long answer reads none of it.
DROP INDEX responses_expires;

ALTER TABLE responses RENAME TO responses_before;

CREATE TABLE responses (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    stored REAL NOT NULL,
    expires REAL NOT NULL,
    used REAL NOT NULL,
    body BLOB NOT NULL
);

INSERT INTO responses (key, stored, expires, used, body) SELECT key, stored, expires, stored, body FROM responses_before;

DROP TABLE responses_before;

CREATE INDEX responses_expires ON responses (expires);

CREATE INDEX responses_used ON responses (used);

-- One row. What is held is kept right by the triggers, whoever writes; lookups are counted by those who make them.
-- A row takes 256 bytes besides its body: its key twice, three times, two indexes.
CREATE TABLE cache_totals (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    entries INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    hits INTEGER NOT NULL DEFAULT 0,
    misses INTEGER NOT NULL DEFAULT 0,
    similar INTEGER NOT NULL DEFAULT 0
);

INSERT INTO cache_totals (only_row, entries, bytes) SELECT 1, count(*), coalesce(sum(length(body) + 256), 0) FROM responses;

CREATE TRIGGER responses_insert AFTER INSERT ON responses BEGIN
    UPDATE cache_totals SET entries = entries + 1, bytes = bytes + length(new.body) + 256;
END;

CREATE TRIGGER responses_update AFTER UPDATE OF body ON responses BEGIN
    UPDATE cache_totals SET bytes = bytes + length(new.body) - length(old.body);
END;

-- What answers were asked for, to be found by a question that says the same in other words. `words` is a hash of those that tell it
-- apart and of everything of the call but the question.
CREATE TABLE questions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    words BLOB NOT NULL,
    text TEXT NOT NULL
);

CREATE INDEX questions_words ON questions (words);

CREATE TRIGGER responses_delete AFTER DELETE ON responses BEGIN
    UPDATE cache_totals SET entries = entries - 1, bytes = bytes - length(old.body) - 256;
    DELETE FROM questions WHERE key = old.key;
END;

-- An answer that was made for another question, or before it was asked, says so as long as it is kept.
ALTER TABLE steps ADD COLUMN similar REAL;

ALTER TABLE steps ADD COLUMN similar_to TEXT NOT NULL DEFAULT '';

ALTER TABLE steps ADD COLUMN speculated INTEGER NOT NULL DEFAULT 0;
