"""What lasts: one SQLite file through aiosqlite. Knows no model and no screen."""
