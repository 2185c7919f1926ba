//! Inserts many new certificates by COPY in its binary format, the fastest way into PostgreSQL.

use super::PostgresStore;
use super::session::Transaction;
use crate::domain::certificate::Certificate;
use crate::store::StoreError;
use crate::store::row::{basis_columns, cause_columns, certificate_columns, successor_columns};

const COPY: &str = concat!(
    "COPY certificates (",
    certificate_columns!(),
    ") FROM STDIN (FORMAT binary)"
);
/// The beginning of a binary copy: the signature, no flags, no extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// … and its end, in the place of a row's number of fields.
const TAIL: &[u8] = &[0xff, 0xff];
/// The number of [`certificate_columns`].
const COLUMNS: i16 = 19;
/// The approximate size of a row in bytes: 16 numbers of 8 bytes, each field with a length of 4, and
/// two keys.
const ROW_OCTETS: usize = 256;
/// How much is sent at once: the driver copies it again, which should stay small.
const PIECE_OCTETS: usize = 256 << 10;
/// `unique_violation`.
const DUPLICATE: &str = "23505";
/// `internal_error`: the code that Citus uses for any error in a COPY, so the message has to be
/// examined.
const INTERNAL: &str = "XX000";

/// The result of copying.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Copied {
    /// All rows are inserted.
    All,
    /// One row existed already, so none is inserted: COPY has no ON CONFLICT.
    None,
}

impl PostgresStore {
    /// Copies rows into the table, all or none of them. The transaction can be used afterwards in
    /// either case.
    pub(super) async fn copy_rows(
        &self,
        connection: &mut Transaction,
        rows: &[&Certificate],
    ) -> Result<Copied, StoreError> {
        self.savepoint(connection, "SAVEPOINT copying").await?;
        let copy = async {
            let mut copy = connection.connection().copy_in_raw(COPY).await?;
            for piece in encoded(rows).chunks(PIECE_OCTETS) {
                copy.send(piece).await?;
            }
            copy.finish().await
        };
        match self.queries.named("certificate_copy", copy).await {
            Ok(_) => {
                self.savepoint(connection, "RELEASE SAVEPOINT copying")
                    .await?;
                Ok(Copied::All)
            }
            Err(error) if is_duplicate(&error) => {
                self.savepoint(connection, "ROLLBACK TO SAVEPOINT copying")
                    .await?;
                Ok(Copied::None)
            }
            Err(error) => Err(error),
        }
    }

    async fn savepoint(
        &self,
        connection: &mut Transaction,
        statement: &'static str,
    ) -> Result<(), StoreError> {
        self.queries
            .named("savepoint", sqlx::raw_sql(statement).execute(connection))
            .await
            .map(drop)
    }
}

fn is_duplicate(error: &StoreError) -> bool {
    match error.code().as_deref() {
        Some(DUPLICATE) => true,
        Some(INTERNAL) => error.to_string().contains("duplicate key"),
        _ => false,
    }
}

fn encoded(rows: &[&Certificate]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * ROW_OCTETS);
    out.extend_from_slice(HEAD);
    for row in rows {
        encode(row, &mut out);
    }
    out.extend_from_slice(TAIL);
    out
}

/// One row, in the order of [`certificate_columns`].
fn encode(row: &Certificate, out: &mut Vec<u8>) {
    let (table, span_start, span_end, plain) = basis_columns(row.basis);
    let (incident, rebalance) = cause_columns(row.cause);
    let (successor_id, successor_order) = successor_columns(row.successor.as_ref());
    let mut fields = Fields(out);
    fields.begin();
    fields.octets(Some(row.id.key_identifier.octets()));
    fields.octets(Some(row.id.serial.octets()));
    fields.number(Some(row.validity.not_before.unix()));
    fields.number(Some(row.validity.not_after.unix()));
    fields.number(Some(row.issued_at.unix()));
    fields.flag(Some(row.hour_known));
    fields.flag(Some(row.steered));
    fields.number(Some(row.registered_at.unix()));
    fields.number(Some(row.window.from.unix()));
    fields.number(Some(row.window.to.unix()));
    fields.number(table);
    fields.number(span_start);
    fields.number(span_end);
    fields.flag(plain);
    fields.number(incident);
    fields.number(rebalance);
    fields.octets(
        row.follows
            .map(f64::to_be_bytes)
            .as_ref()
            .map(<[u8; 8]>::as_slice),
    );
    fields.octets(successor_id.as_deref().map(str::as_bytes));
    fields.octets(successor_order.map(str::as_bytes));
}

/// Writes the fields of a row, each with its length before it; −1 for NULL.
struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    fn begin(&mut self) {
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
    }

    fn octets(&mut self, octets: Option<&[u8]>) {
        // Keys and texts are limited to much less than 2 GiB.
        let length = octets.map_or(-1, |octets| i32::try_from(octets.len()).unwrap_or(i32::MAX));
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(octets.unwrap_or_default());
    }

    fn number(&mut self, number: Option<i64>) {
        self.octets(
            number
                .map(i64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
    }

    fn flag(&mut self, flag: Option<bool>) {
        self.octets(
            flag.map(|flag| [u8::from(flag)])
                .as_ref()
                .map(<[u8; 1]>::as_slice),
        );
    }
}
