-- Orders that failed one after the other, by account and names, both as keyed hashes: how often, and when
-- last. What is older than three days is dropped.
CREATE TABLE gateway_failures (
    account bytea NOT NULL CHECK (length(account) = 16),
    names bytea NOT NULL CHECK (length(names) = 16),
    failures bigint NOT NULL,
    failed_at bigint NOT NULL,
    PRIMARY KEY (account, names)
);
CREATE INDEX gateway_failures_failed_at ON gateway_failures (failed_at);
