-- Instants are Unix seconds. `changed` is the number of the commit that wrote the row last: what
-- the change feed goes by.

-- The key of the keyed hashes: the same for every process and after every restart.
CREATE TABLE secrets (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    hash_key BLOB NOT NULL CHECK (length(hash_key) = 16)
) STRICT;
INSERT INTO secrets (only_row, hash_key) VALUES (1, randomblob(16));

-- How many commits the feed has seen; there is one writer at a time, so the number is also an order.
CREATE TABLE feed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    commits INTEGER NOT NULL
) STRICT;
INSERT INTO feed (only_row, commits) VALUES (1, 0);

-- The tables that windows were drawn from.
CREATE TABLE allocation_tables (
    number INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL,
    -- No certificate drawn from it lives longer.
    needed_until INTEGER NOT NULL
) STRICT;
CREATE INDEX allocation_tables_needed_until ON allocation_tables (needed_until);

-- With a rowid: rows are appended and the secondary indexes hold 8 octets instead of a CertID.
-- Serials are random, so every batch touches most pages of whatever is ordered by them; with the
-- whole rows in that order bulk imports run at 0.6 of the speed.
CREATE TABLE certificates (
    key_identifier BLOB NOT NULL,
    serial BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    issued_at INTEGER NOT NULL,
    hour_known INTEGER NOT NULL,
    steered INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    window_start INTEGER NOT NULL,
    window_end INTEGER NOT NULL,
    -- The window's basis: a table, or a span.
    table_number INTEGER,
    span_start INTEGER,
    span_end INTEGER,
    -- Whether that span is the control group's.
    plain INTEGER,
    -- What moved the window last, if anything did.
    incident INTEGER,
    rebalance INTEGER,
    -- The chance that the client follows the window, as taken at registration; NULL after its band.
    follows REAL,
    -- The successor: a CertID, or an order that is to bring one.
    successor_id TEXT,
    successor_order TEXT,
    changed INTEGER NOT NULL,
    PRIMARY KEY (key_identifier, serial),
    CHECK ((table_number IS NULL) = (span_start IS NOT NULL)),
    CHECK ((span_start IS NULL) = (span_end IS NULL)),
    CHECK ((span_start IS NULL) = (plain IS NULL)),
    CHECK (incident IS NULL OR rebalance IS NULL),
    CHECK (successor_id IS NULL OR successor_order IS NULL)
) STRICT;
CREATE INDEX certificates_changed ON certificates (changed);
CREATE INDEX certificates_not_after ON certificates (not_after);

-- Certificates taken back, for as long as a reader of the feed may not have heard of it.
CREATE TABLE removals (
    key_identifier BLOB NOT NULL,
    serial BLOB NOT NULL,
    removed_at INTEGER NOT NULL DEFAULT (unixepoch()),
    changed INTEGER NOT NULL,
    PRIMARY KEY (key_identifier, serial)
) STRICT, WITHOUT ROWID;
CREATE INDEX removals_changed ON removals (changed);

-- Files forgotten, for as long as a reader of the feed may not have heard of it.
CREATE TABLE forgettings (
    changed INTEGER PRIMARY KEY,
    forgotten_at INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- A batch counts once it is closed. Numbers are never used twice: readers know batches by them.
CREATE TABLE batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    opened_at INTEGER,
    closed INTEGER NOT NULL,
    closed_at INTEGER,
    -- `file:` and the SHA-256 in hexadecimal, or `request:` and the key.
    key TEXT UNIQUE,
    -- The file that the observations came from.
    file BLOB,
    sha256 BLOB,
    report TEXT,
    -- Whoever follows the feed has counted it already, as certificates.
    silent INTEGER NOT NULL DEFAULT 0,
    changed INTEGER
) STRICT;
CREATE INDEX batches_changed ON batches (changed);
CREATE INDEX batches_file ON batches (file) WHERE file IS NOT NULL;

CREATE TABLE observations (
    batch INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- The first instant not counted.
    ended_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    -- Unsigned, in two's complement.
    count INTEGER NOT NULL,
    ca TEXT NOT NULL,
    source TEXT NOT NULL,
    endpoint TEXT,
    error_type TEXT,
    vantage TEXT,
    latency_ms REAL,
    latency_p95_ms REAL,
    steered INTEGER NOT NULL
) STRICT;
CREATE INDEX observations_batch ON observations (batch);
CREATE INDEX observations_ended_at ON observations (ended_at);

-- Incidents: the body is JSON. Numbers are never used twice: causes name incidents by them.
CREATE TABLE incidents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    body TEXT NOT NULL,
    -- As the body says it: what an update goes by.
    updated_at INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT;
CREATE INDEX incidents_changed ON incidents (changed);

-- The certificates that incidents concern, registered or not.
CREATE TABLE incident_certificates (
    incident INTEGER NOT NULL,
    key_identifier BLOB NOT NULL,
    serial BLOB NOT NULL,
    PRIMARY KEY (incident, key_identifier, serial)
) STRICT, WITHOUT ROWID;

-- What polls of certificates have shown, by the keyed hash of the CertID.
CREATE TABLE polls (
    fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 16),
    -- Unsigned, in two's complement.
    record INTEGER NOT NULL,
    written_at INTEGER NOT NULL,
    -- When the record was written last that differed from the one before.
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX polls_changed ON polls (changed);

-- How far files have been imported.
CREATE TABLE imports (
    sha256 BLOB PRIMARY KEY,
    byte_offset INTEGER NOT NULL,
    line INTEGER NOT NULL,
    complete INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE publications (
    number INTEGER PRIMARY KEY,
    made_at INTEGER NOT NULL
) STRICT;

CREATE TABLE documents (
    publication INTEGER NOT NULL,
    position INTEGER NOT NULL,
    path TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (publication, position)
) STRICT;
-- Immutable copies are asked for by path, whichever publication brought them.
CREATE INDEX documents_path ON documents (path);

-- What was learned of a CA's clients and could not be learned again from the rows that are left.
CREATE TABLE learned (
    ca TEXT NOT NULL,
    name TEXT NOT NULL,
    -- JSON, of a layout that it names itself.
    body TEXT NOT NULL,
    learned_at INTEGER NOT NULL,
    PRIMARY KEY (ca, name)
) STRICT, WITHOUT ROWID;

-- What rebalances did; the report is missing while one is at it, or was stopped.
CREATE TABLE rebalances (
    number INTEGER PRIMARY KEY,
    ca TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    body TEXT
) STRICT;
