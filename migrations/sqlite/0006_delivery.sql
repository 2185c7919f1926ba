-- What webhooks were told, so that of several processes one tells it, and a restart does not tell it again.
CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    holder INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL,
    delivered_at INTEGER
) STRICT;
