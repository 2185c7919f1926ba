-- What peers take (GET /v1/export): each batch that counts gets a place in one order, when it is first asked
-- for. So a batch that was opened early and closed late is not missed by whoever has read further.
CREATE TABLE exports (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    -- Which database this is: a place in another says nothing here.
    database TEXT NOT NULL,
    -- The place given last.
    last INTEGER NOT NULL
) STRICT;
INSERT INTO exports (only_row, database, last) VALUES (1, lower(hex(randomblob(8))), 0);
ALTER TABLE batches ADD COLUMN exported INTEGER;
CREATE UNIQUE INDEX batches_exported ON batches (exported) WHERE exported IS NOT NULL;
CREATE INDEX batches_to_export ON batches (number)
WHERE closed AND NOT silent AND exported IS NULL;
