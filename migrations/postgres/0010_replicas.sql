-- The processes that share this database: who they are, and how far each has read the feed. An operator
-- looks at it; nothing is decided by it.
CREATE TABLE replicas (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    address text NOT NULL,
    software text NOT NULL,
    started_at bigint NOT NULL,
    heard_at bigint NOT NULL,
    fed_at bigint NOT NULL
);
