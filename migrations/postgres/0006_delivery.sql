-- What webhooks were told, so that of several processes one tells it, and a restart does not tell it again.
CREATE TABLE delivery (
    id text PRIMARY KEY,
    holder bigint NOT NULL,
    claimed_until bigint NOT NULL,
    delivered_at bigint
);
