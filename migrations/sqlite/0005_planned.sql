-- Bulk events that somebody announced, beside those of the configuration.
CREATE TABLE planned (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ca TEXT NOT NULL,
    name TEXT NOT NULL,
    from_at INTEGER NOT NULL,
    to_at INTEGER NOT NULL,
    certificates REAL NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
