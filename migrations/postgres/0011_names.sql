-- For which names certificates were issued, as one keyed hash of the set: who renews without saying what is
-- replaced is told by it.
CREATE TABLE certificate_names (
    names bytea NOT NULL CHECK (length(names) = 16),
    not_after bigint NOT NULL,
    key_identifier bytea NOT NULL,
    serial bytea NOT NULL,
    PRIMARY KEY (names, not_after, key_identifier, serial)
);
CREATE INDEX certificate_names_not_after ON certificate_names (not_after);
