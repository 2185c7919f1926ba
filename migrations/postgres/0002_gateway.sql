-- What gateways know of the ACME servers behind them. Accounts, names and URLs are keyed hashes; what
-- is not touched for 100 days is dropped.

-- The public keys of accounts, as the upstream accepted them.
CREATE TABLE gateway_accounts (
    account bytea PRIMARY KEY CHECK (length(account) = 16),
    jwk bytea NOT NULL,
    seen_at bigint NOT NULL
);
CREATE INDEX gateway_accounts_seen_at ON gateway_accounts (seen_at);

-- For whom certificates were issued.
CREATE TABLE gateway_certificates (
    key_identifier bytea NOT NULL,
    serial bytea NOT NULL,
    account bytea NOT NULL,
    -- All names together, and each by itself: eight octets each, ascending.
    names bytea NOT NULL,
    each_name bytea NOT NULL,
    not_after bigint NOT NULL,
    PRIMARY KEY (key_identifier, serial)
);
CREATE INDEX gateway_certificates_names ON gateway_certificates (account, names, not_after);
CREATE INDEX gateway_certificates_not_after ON gateway_certificates (not_after);

-- Orders that replace a certificate (RFC 9773 section 5): a row for each URL that belongs to one, its
-- own among them.
CREATE TABLE gateway_claims (
    url bytea PRIMARY KEY CHECK (length(url) = 16),
    order_url bytea NOT NULL,
    -- As the client wrote it, and as it is registered.
    replaces text NOT NULL,
    predecessor text NOT NULL,
    -- Until when the order may still succeed; NULL: it has.
    expires_at bigint,
    made_at bigint NOT NULL
);
CREATE INDEX gateway_claims_predecessor ON gateway_claims (predecessor);
CREATE INDEX gateway_claims_order_url ON gateway_claims (order_url);
CREATE INDEX gateway_claims_expires_at ON gateway_claims (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX gateway_claims_made_at ON gateway_claims (made_at);
