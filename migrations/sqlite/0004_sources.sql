-- How far each configured source has been read: written in the transaction that counts what was read.
CREATE TABLE source_cursors (
    source TEXT PRIMARY KEY,
    -- JSON, of a layout that its kind of source names itself.
    body TEXT NOT NULL,
    moved_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a source has counted and may be shown again, such as a certificate in several logs: keyed hashes,
-- for as long as it may come again.
CREATE TABLE source_counted (
    source TEXT NOT NULL,
    -- Unsigned, in two's complement.
    hash INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,
    PRIMARY KEY (source, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_counted_counted_at ON source_counted (counted_at);
