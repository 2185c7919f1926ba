//! The columns of each kind of row, the same for both databases, in the order in which they are
//! selected, inserted and read.

use std::str::FromStr;

use sqlx::error::BoxDynError;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::error::StoreError;
use super::{BatchKey, Change};
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::{Basis, Cause, Certificate, Successor, Validity};
use crate::domain::demand::observation::Observation;
use crate::domain::moves::incident::Incident;
use crate::domain::time::{Span, Timestamp};

/// A certificate's columns.
macro_rules! certificate_columns {
    () => {
        "key_identifier, serial, not_before, not_after, issued_at, hour_known, steered, \
         registered_at, window_start, window_end, table_number, span_start, span_end, plain, \
         incident, rebalance, follows, successor_id, successor_order"
    };
}
pub(super) use certificate_columns;

/// An observation's columns, without its batch.
macro_rules! observation_columns {
    () => {
        "started_at, ended_at, kind, count, ca, source, endpoint, error_type, vantage, \
         latency_ms, latency_p95_ms, steered, dimension, told_by, stands_for"
    };
}
pub(super) use observation_columns;

/// The same with the time of storing, for rows that are read with their batches.
macro_rules! counted_columns {
    () => {
        concat!($crate::store::row::observation_columns!(), ", closed_at")
    };
}
pub(super) use counted_columns;

/// Binds the columns of a certificate, in their order.
macro_rules! bind_certificate {
    ($query:expr, $certificate:expr) => {{
        let one: &$crate::domain::certificate::Certificate = $certificate;
        let (table, start, end, plain) = $crate::store::row::basis_columns(one.basis);
        let (incident, rebalance) = $crate::store::row::cause_columns(one.cause);
        let (id, order) = $crate::store::row::successor_columns(one.successor.as_ref());
        $query
            .bind(one.id.key_identifier.octets())
            .bind(one.id.serial.octets())
            .bind(one.validity.not_before.unix())
            .bind(one.validity.not_after.unix())
            .bind(one.issued_at.unix())
            .bind(one.hour_known)
            .bind(one.steered)
            .bind(one.registered_at.unix())
            .bind(one.window.from.unix())
            .bind(one.window.to.unix())
            .bind(table)
            .bind(start)
            .bind(end)
            .bind(plain)
            .bind(incident)
            .bind(rebalance)
            .bind(one.follows)
            .bind(id)
            .bind(order)
    }};
}
pub(super) use bind_certificate;

/// How many columns [`certificate_columns`] has.
pub(super) const CERTIFICATE_COLUMNS: usize = 19;

/// A certificate as read from a row.
pub(super) struct StoredCertificate(pub(super) Certificate);

/// A certificate, and in the next column whether this transaction wrote it.
pub(super) struct MarkedCertificate {
    pub(super) certificate: Certificate,
    pub(super) ours: bool,
}

/// An observation as read from a row, after the number of its batch and before the time at which that
/// was stored.
pub(super) struct StoredObservation {
    pub(super) batch: i64,
    pub(super) counted_at: Option<Timestamp>,
    pub(super) observation: Observation,
}

/// The columns of a basis: the number of a table, or the two ends of a span and whether it is plain.
pub(super) fn basis_columns(basis: Basis) -> (Option<i64>, Option<i64>, Option<i64>, Option<bool>) {
    let ends = |span: Span, plain| {
        let (start, end) = (span.from.unix(), span.to.unix());
        (None, Some(start), Some(end), Some(plain))
    };
    match basis {
        Basis::Plain(span) => ends(span, true),
        Basis::Span(span) => ends(span, false),
        // Only a tick is stored as an empty span.
        Basis::Tick(tick) => ends(
            Span {
                from: tick,
                to: tick,
            },
            false,
        ),
        Basis::Table(number) => (Some(number), None, None, None),
    }
}

/// The columns of a cause: the number of an incident, or of a rebalance.
pub(super) fn cause_columns(cause: Cause) -> (Option<i64>, Option<i64>) {
    match cause {
        Cause::Incident(number) => (Some(number), None),
        Cause::Rebalance(number) => (None, Some(number)),
        Cause::Registration => (None, None),
    }
}

/// The columns of a successor: a CertID, or an order.
pub(super) fn successor_columns(successor: Option<&Successor>) -> (Option<String>, Option<&str>) {
    match successor {
        None => (None, None),
        Some(Successor::By(id)) => (Some(id.to_string()), None),
        Some(Successor::Order(order)) => (None, Some(order)),
    }
}

/// The columns `body` and `updated_at` of an incident.
pub(super) fn incident_columns(incident: &Incident) -> sqlx::Result<(String, i64)> {
    let body =
        serde_json::to_string(incident).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok((body, incident.updated_at.unix()))
}

/// An incident from its columns `number` and `body`. Its body was written before it had a number.
pub(super) fn incident((number, body): (i64, String)) -> sqlx::Result<Incident> {
    let incident: Incident = serde_json::from_str(&body).map_err(|error| misfit("body", error))?;
    Ok(Incident {
        id: number,
        ..incident
    })
}

/// A record of polls from its columns `fingerprint` and `record`.
pub(super) fn polls((fingerprint, record): (Vec<u8>, i64)) -> sqlx::Result<Change> {
    let fingerprint = fingerprint
        .try_into()
        .map_err(|_| misfit("fingerprint", "not 16 octets"))?;
    Ok(Change::Polls {
        fingerprint: u128::from_be_bytes(fingerprint),
        record: record.cast_unsigned(),
    })
}

/// The column `key` of a batch.
pub(super) fn key_column(key: &BatchKey) -> String {
    match key {
        BatchKey::File(sha256) => format!("file:{}", hexadecimal(sha256)),
        BatchKey::Request(key) => format!("request:{key}"),
    }
}

/// The column `file` of a batch.
pub(super) fn file_column(key: Option<&BatchKey>) -> Option<&[u8]> {
    match key {
        Some(BatchKey::File(sha256)) => Some(sha256),
        Some(BatchKey::Request(_)) | None => None,
    }
}

/// Octets in hexadecimal.
pub(super) fn hexadecimal(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    octets
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The columns `key_identifier` and `serial`.
pub(super) type CertIdRow = (Vec<u8>, Vec<u8>);

/// The CertID from these columns.
pub(super) fn cert_id(
    query: &'static str,
    (key_identifier, serial): CertIdRow,
) -> Result<CertId, StoreError> {
    let misfits = |error| StoreError::from_driver(query, misfit("serial", error));
    Ok(CertId {
        key_identifier: KeyIdentifier::new(&key_identifier).map_err(misfits)?,
        serial: Serial::new(&serial).map_err(misfits)?,
    })
}

/// A keyed hash of 16 bytes from a column.
pub(super) fn hash(query: &'static str, octets: &[u8]) -> Result<u128, StoreError> {
    let octets = <[u8; 16]>::try_from(octets);
    octets
        .map(u128::from_be_bytes)
        .map_err(|error| StoreError::from_driver(query, misfit("hash", error)))
}

/// A SHA-256 from a column.
pub(super) fn sha256(octets: &[u8]) -> sqlx::Result<[u8; 32]> {
    octets
        .try_into()
        .map_err(|_| misfit("sha256", "not 32 octets"))
}

/// An error that names a column with a wrong value.
pub(super) fn misfit(column: &str, detail: impl Into<BoxDynError>) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: detail.into(),
    }
}

impl<'r, R> FromRow<'r, R> for StoredCertificate
where
    R: Row,
    usize: ColumnIndex<R>,
    &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    f64: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let instant = |column| row.try_get(column).map(Timestamp::from_unix);
        let table: Option<i64> = row.try_get(10)?;
        let (start, end): (Option<i64>, Option<i64>) = (row.try_get(11)?, row.try_get(12)?);
        let span = start.zip(end).map(|(start, end)| Span {
            from: Timestamp::from_unix(start),
            to: Timestamp::from_unix(end),
        });
        let plain: Option<bool> = row.try_get(13)?;
        let (incident, rebalance): (Option<i64>, Option<i64>) =
            (row.try_get(14)?, row.try_get(15)?);
        let (id, order): (Option<&str>, Option<&str>) = (row.try_get(17)?, row.try_get(18)?);
        Ok(Self(Certificate {
            id: CertId {
                key_identifier: KeyIdentifier::new(row.try_get(0)?)
                    .map_err(|error| misfit("key_identifier", error))?,
                serial: Serial::new(row.try_get(1)?).map_err(|error| misfit("serial", error))?,
            },
            validity: Validity {
                not_before: instant(2)?,
                not_after: instant(3)?,
            },
            issued_at: instant(4)?,
            hour_known: row.try_get(5)?,
            steered: row.try_get(6)?,
            registered_at: instant(7)?,
            window: Span {
                from: instant(8)?,
                to: instant(9)?,
            },
            basis: match (table, span, plain) {
                (Some(number), None, None) => Basis::Table(number),
                (None, Some(span), Some(false)) if span.from == span.to => Basis::Tick(span.from),
                (None, Some(span), Some(false)) => Basis::Span(span),
                (None, Some(span), Some(true)) => Basis::Plain(span),
                _ => return Err(misfit("table_number", "neither a table nor a span")),
            },
            cause: match (incident, rebalance) {
                (None, None) => Cause::Registration,
                (Some(number), None) => Cause::Incident(number),
                (None, Some(number)) => Cause::Rebalance(number),
                (Some(_), Some(_)) => return Err(misfit("incident", "two causes")),
            },
            follows: row.try_get(16)?,
            successor: match (id, order) {
                (None, None) => None,
                (Some(id), None) => Some(Successor::By(parsed("successor_id", id)?)),
                (None, Some(order)) => Some(Successor::Order(order.to_owned())),
                (Some(_), Some(_)) => return Err(misfit("successor_id", "two successors")),
            },
        }))
    }
}

impl<'r, R> FromRow<'r, R> for MarkedCertificate
where
    R: Row,
    usize: ColumnIndex<R>,
    StoredCertificate: FromRow<'r, R>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        Ok(Self {
            certificate: StoredCertificate::from_row(row)?.0,
            ours: row.try_get(CERTIFICATE_COLUMNS)?,
        })
    }
}

impl<'r, R> FromRow<'r, R> for StoredObservation
where
    R: Row,
    usize: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
    f64: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let text = |column| {
            row.try_get::<Option<&str>, usize>(column)
                .map(|text| text.map(str::to_owned))
        };
        let (start, end): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        Ok(Self {
            batch: row.try_get(0)?,
            counted_at: row.try_get::<Option<i64>, _>(16)?.map(Timestamp::from_unix),
            observation: Observation {
                at: Timestamp::from_unix(start),
                seconds: u32::try_from(end - start).map_err(|error| misfit("ended_at", error))?,
                kind: parsed("kind", row.try_get(3)?)?,
                count: row.try_get::<i64, _>(4)?.cast_unsigned(),
                ca: parsed("ca", row.try_get(5)?)?,
                source: parsed("source", row.try_get(6)?)?,
                endpoint: text(7)?,
                error_type: text(8)?,
                vantage: text(9)?,
                latency_ms: row.try_get(10)?,
                latency_p95_ms: row.try_get(11)?,
                steered: row.try_get(12)?,
                dimension: text(13)?,
                reported_by: text(14)?,
                stands_for: row.try_get::<Option<f64>, _>(15)?.unwrap_or(1.0),
            },
        })
    }
}

/// How many events each counted event stands for; `None` if all were counted.
pub(super) fn sampled(observation: &Observation) -> Option<f64> {
    Some(observation.stands_for).filter(|stands_for| *stands_for > 1.0)
}

pub(super) fn parsed<T>(column: &'static str, text: &str) -> sqlx::Result<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse()
        .map_err(|error| misfit(column, Box::new(error)))
}
