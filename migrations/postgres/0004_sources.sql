-- How far each configured source has been read: written in the transaction that counts what was read.
CREATE TABLE source_cursors (
    source text PRIMARY KEY,
    -- JSON, of a layout that its kind of source names itself.
    body text NOT NULL,
    moved_at bigint NOT NULL
);

-- What a source has counted and may be shown again, such as a certificate in several logs: keyed hashes,
-- for as long as it may come again.
CREATE TABLE source_counted (
    source text NOT NULL,
    -- Unsigned, in two's complement.
    hash bigint NOT NULL,
    counted_at bigint NOT NULL,
    PRIMARY KEY (source, hash)
);
CREATE INDEX source_counted_counted_at ON source_counted (counted_at);
