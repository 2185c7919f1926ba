-- Bulk events that somebody announced, beside those of the configuration.
CREATE TABLE planned (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ca text NOT NULL,
    name text NOT NULL,
    from_at bigint NOT NULL,
    to_at bigint NOT NULL,
    certificates double precision NOT NULL,
    made_at bigint NOT NULL
);
