-- What a person does in front of the screen: votes between answers, prompts sent, files attached. Times are Unix time.

-- One row for each comparison of two models' answers; a tie has `tie` = 1 and the order means nothing.
CREATE TABLE votes (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    round TEXT NOT NULL,
    winner TEXT NOT NULL,
    loser TEXT NOT NULL,
    tie INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE prompts (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    text TEXT NOT NULL
);

-- Files that went with messages, by the SHA-256 of their bytes; requests refer to them by it.
CREATE TABLE attachments (
    digest TEXT PRIMARY KEY,
    media TEXT NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
);
