-- Libraries of documents, cut into chunks with their place, full-text index and vectors.

-- `changed` grows with every change of a library's documents, so that an index in memory knows when it is out of date.
CREATE TABLE library (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    changed INTEGER NOT NULL DEFAULT 0,
    updated REAL NOT NULL
);

-- What a person added: files, folders and URLs, read again at a refresh.
CREATE TABLE library_place (
    library INTEGER NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (library, place)
) WITHOUT ROWID;

CREATE TABLE document (
    id INTEGER PRIMARY KEY,
    library INTEGER NOT NULL,
    uri TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    recipe TEXT NOT NULL,
    indexed REAL NOT NULL,
    UNIQUE (library, uri)
);

CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    title TEXT NOT NULL,
    page INTEGER,
    line INTEGER,
    line_end INTEGER,
    text TEXT NOT NULL
);

CREATE UNIQUE INDEX chunk_document ON chunk (document, ordinal);

-- Rows of float16 numbers, little endian.
CREATE TABLE vector (
    chunk INTEGER PRIMARY KEY,
    library INTEGER NOT NULL,
    embedder TEXT NOT NULL,
    dimension INTEGER NOT NULL,
    data BLOB NOT NULL
);

CREATE INDEX vector_library ON vector (library, embedder);

-- The text itself stays in `chunk`; whoever deletes or changes a chunk tells the index.
CREATE VIRTUAL TABLE chunk_words USING fts5(
    title, text, content='chunk', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
);
