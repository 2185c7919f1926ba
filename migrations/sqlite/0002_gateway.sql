-- What gateways know of the ACME servers behind them. Accounts, names and URLs are keyed hashes; what
-- is not touched for 100 days is dropped.

-- The public keys of accounts, as the upstream accepted them.
CREATE TABLE gateway_accounts (
    account BLOB PRIMARY KEY CHECK (length(account) = 16),
    jwk BLOB NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_accounts_seen_at ON gateway_accounts (seen_at);

-- For whom certificates were issued.
CREATE TABLE gateway_certificates (
    key_identifier BLOB NOT NULL,
    serial BLOB NOT NULL,
    account BLOB NOT NULL,
    -- All names together, and each by itself: eight octets each, ascending.
    names BLOB NOT NULL,
    each_name BLOB NOT NULL,
    not_after INTEGER NOT NULL,
    PRIMARY KEY (key_identifier, serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_certificates_names ON gateway_certificates (account, names, not_after);
CREATE INDEX gateway_certificates_not_after ON gateway_certificates (not_after);

-- Orders that replace a certificate (RFC 9773 section 5): a row for each URL that belongs to one, its
-- own among them.
CREATE TABLE gateway_claims (
    url BLOB PRIMARY KEY CHECK (length(url) = 16),
    order_url BLOB NOT NULL,
    -- As the client wrote it, and as it is registered.
    replaces TEXT NOT NULL,
    predecessor TEXT NOT NULL,
    -- Until when the order may still succeed; NULL: it has.
    expires_at INTEGER,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_claims_predecessor ON gateway_claims (predecessor);
CREATE INDEX gateway_claims_order_url ON gateway_claims (order_url);
CREATE INDEX gateway_claims_expires_at ON gateway_claims (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX gateway_claims_made_at ON gateway_claims (made_at);
