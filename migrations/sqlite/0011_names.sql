-- For which names certificates were issued, as one keyed hash of the set: who renews without saying what is
-- replaced is told by it.
CREATE TABLE certificate_names (
    names BLOB NOT NULL CHECK (length(names) = 16),
    not_after INTEGER NOT NULL,
    key_identifier BLOB NOT NULL,
    serial BLOB NOT NULL,
    PRIMARY KEY (names, not_after, key_identifier, serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX certificate_names_not_after ON certificate_names (not_after);
