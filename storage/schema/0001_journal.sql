-- What was asked, what became of it, and every event for replay.
-- `number` is there because VACUUM may renumber rows without one, and the text indexes refer to them.
-- Times called `at` and those in `timings` are seconds on the clock of the process that ran it; `started` is Unix time.

CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    prompt TEXT NOT NULL,
    request TEXT NOT NULL,
    started REAL NOT NULL,
    at REAL NOT NULL,
    owner TEXT NOT NULL,
    outcome TEXT,
    error TEXT,
    wall REAL,
    busy REAL
);

CREATE INDEX runs_open ON runs (owner) WHERE outcome IS NULL;

CREATE TABLE steps (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    parent TEXT,
    lane TEXT NOT NULL,
    text TEXT NOT NULL,
    outcome TEXT,
    finish TEXT,
    error TEXT,
    error_kind TEXT,
    usage TEXT,
    cost REAL,
    cached INTEGER NOT NULL,
    joined INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    timings TEXT
);

CREATE INDEX steps_run ON steps (run, seq);

CREATE TABLE events (
    run TEXT NOT NULL,
    seq INTEGER NOT NULL,
    step TEXT,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE runs_text USING fts5 (prompt, content = 'runs', content_rowid = 'number', tokenize = 'porter unicode61');

CREATE TRIGGER runs_text_insert AFTER INSERT ON runs BEGIN
    INSERT INTO runs_text (rowid, prompt) VALUES (new.number, new.prompt);
END;

CREATE TRIGGER runs_text_delete AFTER DELETE ON runs BEGIN
    INSERT INTO runs_text (runs_text, rowid, prompt) VALUES ('delete', old.number, old.prompt);
END;

CREATE TRIGGER runs_text_update AFTER UPDATE OF prompt ON runs WHEN new.prompt IS NOT old.prompt BEGIN
    INSERT INTO runs_text (runs_text, rowid, prompt) VALUES ('delete', old.number, old.prompt);
    INSERT INTO runs_text (rowid, prompt) VALUES (new.number, new.prompt);
END;

CREATE VIRTUAL TABLE steps_text USING fts5 (text, content = 'steps', content_rowid = 'number', tokenize = 'porter unicode61');

CREATE TRIGGER steps_text_insert AFTER INSERT ON steps BEGIN
    INSERT INTO steps_text (rowid, text) VALUES (new.number, new.text);
END;

CREATE TRIGGER steps_text_delete AFTER DELETE ON steps BEGIN
    INSERT INTO steps_text (steps_text, rowid, text) VALUES ('delete', old.number, old.text);
END;

CREATE TRIGGER steps_text_update AFTER UPDATE OF text ON steps WHEN new.text IS NOT old.text BEGIN
    INSERT INTO steps_text (steps_text, rowid, text) VALUES ('delete', old.number, old.text);
    INSERT INTO steps_text (rowid, text) VALUES (new.number, new.text);
END;
