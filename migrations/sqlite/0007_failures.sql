-- Orders that failed one after the other, by account and names, both as keyed hashes: how often, and when
-- last. What is older than three days is dropped.
CREATE TABLE gateway_failures (
    account BLOB NOT NULL CHECK (length(account) = 16),
    names BLOB NOT NULL CHECK (length(names) = 16),
    failures INTEGER NOT NULL,
    failed_at INTEGER NOT NULL,
    PRIMARY KEY (account, names)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_failures_failed_at ON gateway_failures (failed_at);
