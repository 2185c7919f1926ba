-- The change feed by an outbox: each durable step appends what it changed, in its own transaction, and
-- readers ask for what came after their place (docs/adr/0010-an-outbox.md).

-- The place given last. It begins above every transaction's number: a reader that comes with one of
-- those, by which the feed went before, is told that its place is lost.
CREATE TABLE feed (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    last bigint NOT NULL,
    -- What distributes the certificates' tables over several servers; NULL: nothing does.
    distributed_by text
);
INSERT INTO feed (only_row, last) VALUES (1, 4611686018427387904);

CREATE TABLE outbox (
    -- The order of writing. Whoever changes a row appends while he holds the row's lock, so that
    -- changes of one row have their numbers in the order of their commits.
    number bigint GENERATED ALWAYS AS IDENTITY,
    -- The place in the feed: given by place_outbox, once the change is committed; NULL until then.
    position bigint,
    kind text NOT NULL,
    -- The number of an incident or a batch, which the reader reads.
    reference bigint,
    -- Certificates, CertIDs or polls, as src/store/postgres/outbox/body.rs packs them.
    body bytea,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_position ON outbox (position);
CREATE INDEX outbox_forgotten ON outbox (number) WHERE kind = 'forgotten';

-- Gives all committed changes their places, without a gap, and says which was the last. One at a time:
-- the row of `feed` stays locked until the transaction's end, and each statement of a function sees what
-- was committed when it began. So whoever sees a place sees all before it. By the index, whatever the
-- planner believes of how many wait: a day's rows may lie beside them.
CREATE FUNCTION place_outbox() RETURNS bigint LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    place bigint;
    placed bigint;
BEGIN
    SELECT last INTO STRICT place FROM feed WHERE only_row = 1 FOR UPDATE;
    UPDATE outbox SET position = place + waiting.rank
    FROM (
        SELECT ctid AS at, row_number() OVER (ORDER BY number) AS rank
        FROM outbox WHERE position IS NULL
    ) AS waiting
    WHERE outbox.ctid = waiting.at;
    GET DIAGNOSTICS placed = ROW_COUNT;
    IF placed > 0 THEN
        UPDATE feed SET last = place + placed WHERE only_row = 1;
    END IF;
    RETURN place + placed;
END
$$;

-- Registers one certificate and appends it to the outbox, in one round trip; whether it is new.
CREATE FUNCTION register_certificate(
    bytea, bytea, bigint, bigint, bigint, boolean, boolean, bigint, bigint, bigint, bigint, bigint,
    bigint, boolean, bigint, bigint, double precision, text, text, bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_new boolean;
BEGIN
    PERFORM set_config('offpeak.outbox', 'told', true);
    INSERT INTO certificates (
        key_identifier, serial, not_before, not_after, issued_at, hour_known, steered,
        registered_at, window_start, window_end, table_number, span_start, span_end, plain,
        incident, rebalance, follows, successor_id, successor_order
    ) VALUES (
        $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19
    )
    ON CONFLICT DO NOTHING
    RETURNING true INTO is_new;
    IF is_new THEN
        INSERT INTO outbox (kind, body) VALUES ('certificates', $20);
    END IF;
    RETURN is_new IS TRUE;
END
$$;

-- From here on: for processes of the version before, that run until they are exchanged. They know of no
-- outbox, and find what others wrote by `changed`. `offpeak migrate --finish` drops all of it.

-- A CertID as body.rs packs it.
CREATE FUNCTION packed_cert_id(key_identifier bytea, serial bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT set_byte('\x00', 0, length(key_identifier)) || key_identifier
        || set_byte('\x00', 0, length(serial)) || serial
$$;

-- What they write is told by references: whoever reads them reads the rows.
CREATE FUNCTION tell_certificates() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (kind, body)
    SELECT 'reread', string_agg(packed_cert_id(key_identifier, serial), ''::bytea) FROM written
    HAVING count(*) > 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER certificates_inserted AFTER INSERT ON certificates
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    WHEN (current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_certificates();
CREATE TRIGGER certificates_updated AFTER UPDATE ON certificates
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT
    WHEN (current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_certificates();

CREATE FUNCTION tell_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (kind, body)
    VALUES ('removed', packed_cert_id(NEW.key_identifier, NEW.serial));
    RETURN NULL;
END
$$;
CREATE TRIGGER removals_written AFTER INSERT OR UPDATE ON removals FOR EACH ROW
    WHEN (current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_removal();

CREATE FUNCTION tell_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (kind) VALUES ('forgotten');
    RETURN NULL;
END
$$;
CREATE TRIGGER forgettings_written AFTER INSERT ON forgettings FOR EACH ROW
    WHEN (current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_forgetting();

-- The kind is the trigger's argument.
CREATE FUNCTION tell_reference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (kind, reference) VALUES (TG_ARGV[0], NEW.number);
    RETURN NULL;
END
$$;
CREATE TRIGGER incidents_written AFTER INSERT OR UPDATE ON incidents FOR EACH ROW
    WHEN (current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_reference('incident');
CREATE TRIGGER batches_inserted AFTER INSERT ON batches FOR EACH ROW
    WHEN (NEW.closed AND NOT NEW.silent
          AND current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_reference('batch');
CREATE TRIGGER batches_closed AFTER UPDATE ON batches FOR EACH ROW
    WHEN (NEW.closed AND NOT OLD.closed AND NOT NEW.silent
          AND current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_reference('batch');

CREATE FUNCTION tell_polls() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (kind, body) VALUES ('polls', NEW.fingerprint || int8send(NEW.record));
    RETURN NULL;
END
$$;
CREATE TRIGGER polls_inserted AFTER INSERT ON polls FOR EACH ROW
    WHEN (current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_polls();
CREATE TRIGGER polls_updated AFTER UPDATE ON polls FOR EACH ROW
    WHEN (NEW.record <> OLD.record
          AND current_setting('offpeak.outbox', true) IS DISTINCT FROM 'told')
    EXECUTE FUNCTION tell_polls();

-- What processes of this version write is stamped for the others.
CREATE FUNCTION stamp_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed := pg_current_xact_id();
    RETURN NEW;
END
$$;
CREATE TRIGGER certificates_stamped BEFORE UPDATE ON certificates FOR EACH ROW
    WHEN (current_setting('offpeak.outbox', true) = 'told')
    EXECUTE FUNCTION stamp_changed();
CREATE TRIGGER incidents_stamped BEFORE UPDATE ON incidents FOR EACH ROW
    WHEN (current_setting('offpeak.outbox', true) = 'told')
    EXECUTE FUNCTION stamp_changed();
CREATE TRIGGER polls_stamped BEFORE UPDATE ON polls FOR EACH ROW
    WHEN (NEW.record <> OLD.record AND current_setting('offpeak.outbox', true) = 'told')
    EXECUTE FUNCTION stamp_changed();
CREATE TRIGGER batches_inserted_stamped BEFORE INSERT ON batches FOR EACH ROW
    WHEN (NEW.closed AND current_setting('offpeak.outbox', true) = 'told')
    EXECUTE FUNCTION stamp_changed();
CREATE TRIGGER batches_closed_stamped BEFORE UPDATE ON batches FOR EACH ROW
    WHEN (NEW.closed AND NOT OLD.closed AND current_setting('offpeak.outbox', true) = 'told')
    EXECUTE FUNCTION stamp_changed();

-- What has no row to be stamped gets the row that they look for.
CREATE FUNCTION mirror_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    at integer := 0;
    octets integer;
    issuer bytea;
    number_of_it bytea;
BEGIN
    IF NEW.kind = 'forgotten' THEN
        INSERT INTO forgettings DEFAULT VALUES ON CONFLICT DO NOTHING;
        RETURN NULL;
    END IF;
    WHILE at < length(NEW.body) LOOP
        octets := get_byte(NEW.body, at);
        issuer := substring(NEW.body FROM at + 2 FOR octets);
        at := at + 1 + octets;
        octets := get_byte(NEW.body, at);
        number_of_it := substring(NEW.body FROM at + 2 FOR octets);
        at := at + 1 + octets;
        INSERT INTO removals (key_identifier, serial) VALUES (issuer, number_of_it)
        ON CONFLICT (key_identifier, serial)
        DO UPDATE SET changed = excluded.changed, removed_at = excluded.removed_at;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER outbox_mirrored AFTER INSERT ON outbox FOR EACH ROW
    WHEN (NEW.kind IN ('removed', 'forgotten') AND current_setting('offpeak.outbox', true) = 'told')
    EXECUTE FUNCTION mirror_outbox();
