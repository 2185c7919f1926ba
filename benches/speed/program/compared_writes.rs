//! The comparisons of what is written.

use super::rows::{Part, Row, row};
use super::units::{MILLIS, RATIO, ROWS_A_SECOND, SECONDS};

/// What is written, and how soon others know, in the order in which it is shown.
pub(super) const WRITTEN: &[Row] = &[
    row(
        Part::Import,
        "sqlite_import",
        ROWS_A_SECOND,
        "CSV into SQLite, offpeak",
    ),
    row(
        Part::Import,
        "sqlite_import_memory",
        "MB",
        "the most memory that this took",
    ),
    row(
        Part::Import,
        "sqlite_loader",
        ROWS_A_SECOND,
        "`sqlite3 .import` of the same rows",
    ),
    row(
        Part::Import,
        "sqlite_import_to_loader",
        RATIO,
        "CSV into SQLite, offpeak ÷ `sqlite3 .import`",
    )
    .to("sqlite_loader")
    .at_least(0.7),
    row(
        Part::Import,
        "postgres_import",
        ROWS_A_SECOND,
        "CSV into PostgreSQL, the first time",
    ),
    row(
        Part::Import,
        "postgres_repeated",
        ROWS_A_SECOND,
        "the same certificates again",
    ),
    row(
        Part::Import,
        "postgres_copy",
        ROWS_A_SECOND,
        "`COPY` of the same rows",
    ),
    row(
        Part::Import,
        "postgres_import_to_copy",
        RATIO,
        "CSV into PostgreSQL, the first time ÷ `COPY`",
    )
    .to("postgres_copy")
    .at_least(0.7),
    row(
        Part::Import,
        "postgres_repeated_to_copy",
        RATIO,
        "again ÷ `COPY`",
    )
    .to("postgres_copy")
    .at_least(0.35),
    row(
        Part::Import,
        "pem_parsed",
        "certificates/s/core",
        "PEM through parsing",
    )
    .at_least(100_000.0),
    row(
        Part::Posts,
        "post_p99_sqlite",
        MILLIS,
        "SQLite: p99 of a single POST, durable",
    )
    .below(50.0),
    row(
        Part::Posts,
        "post_p99_postgres",
        MILLIS,
        "PostgreSQL: p99 of a single POST, durable",
    )
    .below(50.0),
    row(
        Part::Allocation,
        "windows_drawn",
        "windows/s/core",
        "hash, draw and booking in the ledger",
    )
    .at_least(1_000_000.0),
    row(Part::Allocation, "plan_of_many", SECONDS, "100,000 planned").below(1.0),
    row(
        Part::Allocation,
        "year_modelled",
        SECONDS,
        "a year of minutes of ten CAs, modelled",
    )
    .below(1.0),
    row(
        Part::Allocation,
        "model_updated",
        MILLIS,
        "a minute more of one of them",
    )
    .below(10.0),
    row(
        Part::Feed,
        "feed_import",
        ROWS_A_SECOND,
        "CSV into PostgreSQL beside two replicas",
    ),
    row(
        Part::Feed,
        "feed_import_before",
        ROWS_A_SECOND,
        "… by the version before",
    ),
    row(
        Part::Feed,
        "feed_import_to_before",
        RATIO,
        "import ÷ the version before",
    )
    .to("feed_import_before")
    .at_least(0.9),
    row(
        Part::Feed,
        "feed_single_1",
        ROWS_A_SECOND,
        "single registrations, 1 writer",
    ),
    row(
        Part::Feed,
        "feed_single_1_before",
        ROWS_A_SECOND,
        "… by the version before, 1 writer",
    ),
    row(
        Part::Feed,
        "feed_single_1_to_before",
        RATIO,
        "1 writer ÷ the version before",
    )
    .to("feed_single_1_before")
    .at_least(0.9),
    row(
        Part::Feed,
        "feed_insert_1",
        ROWS_A_SECOND,
        "an `INSERT` of one row after the other by pgbench, 1 client",
    ),
    row(
        Part::Feed,
        "feed_single_1_to_insert",
        RATIO,
        "1 writer ÷ pgbench",
    )
    .to("feed_insert_1"),
    row(
        Part::Feed,
        "feed_single_8",
        ROWS_A_SECOND,
        "single registrations, 8 writers",
    ),
    row(
        Part::Feed,
        "feed_single_8_before",
        ROWS_A_SECOND,
        "… by the version before, 8 writers",
    ),
    row(
        Part::Feed,
        "feed_single_8_to_before",
        RATIO,
        "8 writers ÷ the version before",
    )
    .to("feed_single_8_before")
    .at_least(0.9),
    row(
        Part::Feed,
        "feed_insert_8",
        ROWS_A_SECOND,
        "an `INSERT` of one row after the other by pgbench, 8 clients",
    ),
    row(
        Part::Feed,
        "feed_single_8_to_insert",
        RATIO,
        "8 writers ÷ pgbench",
    )
    .to("feed_insert_8"),
    row(
        Part::Feed,
        "feed_told_1",
        MILLIS,
        "until another replica knows, 1 writer",
    ),
    row(
        Part::Feed,
        "feed_told_1_before",
        MILLIS,
        "… by the version before, 1 writer (told)",
    ),
    row(
        Part::Feed,
        "feed_told_8",
        MILLIS,
        "until another replica knows, 8 writers",
    ),
    row(
        Part::Feed,
        "feed_told_8_before",
        MILLIS,
        "… by the version before, 8 writers (told)",
    ),
];
