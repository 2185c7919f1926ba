-- Instants are Unix seconds. `changed` is the transaction that wrote the row last: what the change
-- feed goes by, since a transaction's number says nothing of when it commits.

-- The key of the keyed hashes: the same for every process and after every restart.
CREATE TABLE secrets (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    hash_key bytea NOT NULL CHECK (length(hash_key) = 16)
);
-- A version 4 UUID has 122 random bits; the first 16 octets of a SHA-256 over two of them hold 128.
INSERT INTO secrets (only_row, hash_key)
VALUES (1, substring(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) FROM 1 FOR 16));

-- The tables that windows were drawn from.
CREATE TABLE allocation_tables (
    number bigint PRIMARY KEY,
    bytes bytea NOT NULL,
    -- No certificate drawn from it lives longer.
    needed_until bigint NOT NULL
);
CREATE INDEX allocation_tables_needed_until ON allocation_tables (needed_until);

CREATE TABLE certificates (
    key_identifier bytea NOT NULL,
    serial bytea NOT NULL,
    not_before bigint NOT NULL,
    not_after bigint NOT NULL,
    issued_at bigint NOT NULL,
    hour_known boolean NOT NULL,
    steered boolean NOT NULL,
    registered_at bigint NOT NULL,
    window_start bigint NOT NULL,
    window_end bigint NOT NULL,
    -- The window's basis: a table, or a span.
    table_number bigint,
    span_start bigint,
    span_end bigint,
    -- Whether that span is the control group's.
    plain boolean,
    -- What moved the window last, if anything did.
    incident bigint,
    rebalance bigint,
    -- The chance that the client follows the window, as taken at registration; NULL after its band.
    follows double precision,
    -- The successor: a CertID, or an order that is to bring one.
    successor_id text,
    successor_order text,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (key_identifier, serial),
    CHECK ((table_number IS NULL) = (span_start IS NOT NULL)),
    CHECK ((span_start IS NULL) = (span_end IS NULL)),
    CHECK ((span_start IS NULL) = (plain IS NULL)),
    CHECK (incident IS NULL OR rebalance IS NULL),
    CHECK (successor_id IS NULL OR successor_order IS NULL)
);
CREATE INDEX certificates_changed ON certificates (changed);
CREATE INDEX certificates_not_after ON certificates (not_after);

-- Certificates taken back, for as long as a reader of the feed may not have heard of it.
CREATE TABLE removals (
    key_identifier bytea NOT NULL,
    serial bytea NOT NULL,
    removed_at timestamptz NOT NULL DEFAULT now(),
    changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (key_identifier, serial)
);
CREATE INDEX removals_changed ON removals (changed);

-- Files forgotten, for as long as a reader of the feed may not have heard of it.
CREATE TABLE forgettings (
    changed xid8 PRIMARY KEY DEFAULT pg_current_xact_id(),
    forgotten_at timestamptz NOT NULL DEFAULT now()
);

-- A batch counts once it is closed. Numbers are never used twice: readers know batches by them.
CREATE TABLE batches (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    opened_at bigint,
    closed boolean NOT NULL,
    closed_at bigint,
    -- `file:` and the SHA-256 in hexadecimal, or `request:` and the key.
    key text UNIQUE,
    -- The file that the observations came from.
    file bytea,
    sha256 bytea,
    report text,
    -- Whoever follows the feed has counted it already, as certificates.
    silent boolean NOT NULL DEFAULT false,
    changed xid8
);
CREATE INDEX batches_changed ON batches (changed);
CREATE INDEX batches_file ON batches (file) WHERE file IS NOT NULL;

CREATE TABLE observations (
    batch bigint NOT NULL,
    started_at bigint NOT NULL,
    -- The first instant not counted.
    ended_at bigint NOT NULL,
    kind text NOT NULL,
    -- Unsigned, in two's complement.
    count bigint NOT NULL,
    ca text NOT NULL,
    source text NOT NULL,
    endpoint text,
    error_type text,
    vantage text,
    latency_ms double precision,
    latency_p95_ms double precision,
    steered boolean NOT NULL
);
CREATE INDEX observations_batch ON observations (batch);
CREATE INDEX observations_ended_at ON observations (ended_at);

-- Incidents: the body is JSON. Numbers are never used twice: causes name incidents by them.
CREATE TABLE incidents (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body text NOT NULL,
    -- As the body says it: what an update goes by.
    updated_at bigint NOT NULL,
    changed xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX incidents_changed ON incidents (changed);

-- The certificates that incidents concern, registered or not.
CREATE TABLE incident_certificates (
    incident bigint NOT NULL,
    key_identifier bytea NOT NULL,
    serial bytea NOT NULL,
    PRIMARY KEY (incident, key_identifier, serial)
);

-- What polls of certificates have shown, by the keyed hash of the CertID.
CREATE TABLE polls (
    fingerprint bytea PRIMARY KEY CHECK (length(fingerprint) = 16),
    -- Unsigned, in two's complement.
    record bigint NOT NULL,
    written_at bigint NOT NULL,
    -- When the record was written last that differed from the one before.
    changed xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX polls_changed ON polls (changed);

-- How far files have been imported.
CREATE TABLE imports (
    sha256 bytea PRIMARY KEY,
    byte_offset bigint NOT NULL,
    line bigint NOT NULL,
    complete boolean NOT NULL,
    report text NOT NULL
);

CREATE TABLE publications (
    number bigint PRIMARY KEY,
    made_at bigint NOT NULL
);

CREATE TABLE documents (
    publication bigint NOT NULL,
    position bigint NOT NULL,
    path text NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (publication, position)
);
-- Immutable copies are asked for by path, whichever publication brought them.
CREATE INDEX documents_path ON documents (path);

-- What was learned of a CA's clients and could not be learned again from the rows that are left.
CREATE TABLE learned (
    ca text NOT NULL,
    name text NOT NULL,
    -- JSON, of a layout that it names itself.
    body text NOT NULL,
    learned_at bigint NOT NULL,
    PRIMARY KEY (ca, name)
);

-- What rebalances did; the report is missing while one is at it, or was stopped.
CREATE TABLE rebalances (
    number bigint PRIMARY KEY,
    ca text NOT NULL,
    made_at bigint NOT NULL,
    body text
);
