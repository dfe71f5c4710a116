-- Answers kept by a hash of everything that shapes them. Times are Unix time.

CREATE TABLE responses (
    key TEXT PRIMARY KEY,
    body BLOB NOT NULL,
    stored REAL NOT NULL,
    expires REAL NOT NULL
);

CREATE INDEX responses_expires ON responses (expires);
