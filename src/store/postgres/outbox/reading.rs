//! Reading the outbox. Positions are given to one transaction at a time and without gaps
//! (`place_outbox` in the migration). So a reader that has read up to a position has missed nothing
//! before it, and one that does not find the next position knows that it was dropped.

use std::collections::HashMap;

use super::{Kind, body};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::moves::incident::Incident;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::again::tried_again;
use crate::store::query::Turns;
use crate::store::row::{StoredObservation, counted_columns, incident};
use crate::store::{CertificateStore, Change, StoreError};

/// How many rows of the outbox are read at once: at most 25 MB if an import fills each with 1,000
/// certificates, and 40 KB if each has one.
const PAGE_ROWS: i64 = 256;

/// A row of the outbox: number, position, kind, reference, body.
type Row = (i64, i64, String, Option<i64>, Option<Vec<u8>>);

/// The rows that a page refers to, read together.
#[derive(Default)]
struct Referred {
    batches: HashMap<i64, Vec<StoredObservation>>,
    certificates: HashMap<CertId, Certificate>,
    incidents: HashMap<i64, Incident>,
}

impl PostgresStore {
    /// The last position, after giving positions to everything committed before now.
    pub(in crate::store::postgres) async fn last_place(&self) -> Result<i64, StoreError> {
        // Rows without a position are at the end of the index, so one look-up there shows whether there
        // are any, whatever the planner estimates.
        let look = sqlx::query_as::<_, (i64, bool, bool)>(
            "SELECT last,
                    coalesce((SELECT position IS NULL FROM outbox ORDER BY position DESC LIMIT 1), false),
                    distributed_by IS NOT NULL
             FROM feed",
        );
        let look = look.fetch_one(&self.pool);
        let (last, is_waiting, is_distributed) = self.queries.named("feed_look", look).await?;
        self.servers.set_distributed(is_distributed);
        if !is_waiting {
            return Ok(last);
        }
        let place = || {
            let place = sqlx::query_scalar("SELECT place_outbox()").fetch_one(&self.pool);
            self.queries.named("feed_place", place)
        };
        match tried_again(place).await {
            // The database does not accept writes; changes that have a position can still be read.
            Err(error) if takes_no_writes(&error) => Ok(last),
            placed => placed,
        }
    }

    pub(in crate::store::postgres) async fn page(
        &self,
        after: i64,
        last: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let select = sqlx::query_as(
            "SELECT number, position, kind, reference, body FROM outbox
             WHERE position > $1 AND position <= $2 ORDER BY position LIMIT $3",
        )
        .bind(after)
        .bind(last)
        .bind(PAGE_ROWS);
        self.rows("feed_page", select).await
    }

    pub(in crate::store::postgres) async fn emit_page(
        &self,
        page: Vec<Row>,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let failed = |error| StoreError::from_driver("feed_page", error);
        let mut referred = self.referred(&page).await?;
        let mut turns = Turns::default();
        for (number, _, kind, reference, body) in page {
            let body = body.as_deref().unwrap_or_default();
            let changes: Vec<Change> = match (Kind::named(&kind), reference) {
                (Some(Kind::Batch), Some(batch)) => {
                    let observations = referred.batches.remove(&batch).unwrap_or_default();
                    let observed = |row: StoredObservation| Change::Observed {
                        batch,
                        counted_at: row.counted_at,
                        observation: row.observation,
                    };
                    observations.into_iter().map(observed).collect()
                }
                (Some(Kind::Certificates), _) => match body::certificates(body).map_err(failed)? {
                    Some(certificates) => certificates.into_iter().map(certificate).collect(),
                    None => vec![Change::Lost],
                },
                (Some(Kind::Forgotten), _) => vec![Change::Forgotten(number)],
                (Some(Kind::Incident), Some(incident)) => {
                    let incident = referred.incidents.get(&incident).cloned();
                    incident
                        .map(Box::new)
                        .map(Change::Incident)
                        .into_iter()
                        .collect()
                }
                (Some(Kind::Polls), _) => {
                    let records = body::polls(body).map_err(failed)?;
                    let polls = |(fingerprint, record)| Change::Polls {
                        fingerprint,
                        record,
                    };
                    records.into_iter().map(polls).collect()
                }
                (Some(Kind::Removed), _) => {
                    let ids = body::ids(body).map_err(failed)?;
                    ids.into_iter().map(Change::Removed).collect()
                }
                (Some(Kind::Reread), _) => {
                    let ids = body::ids(body).map_err(failed)?;
                    let known = |id| referred.certificates.get(id).cloned();
                    ids.iter().filter_map(known).map(certificate).collect()
                }
                // Changes of a later version that are not understood: all rows are loaded again.
                (None | Some(Kind::Batch | Kind::Incident), _) => vec![Change::Lost],
            };
            for change in changes {
                emit(change);
                turns.emitted().await;
            }
        }
        Ok(())
    }

    /// Reads the rows that a page refers to. They may be newer than the page, and are then repeated
    /// later.
    async fn referred(&self, page: &[Row]) -> Result<Referred, StoreError> {
        let numbers = |wanted: Kind| -> Vec<i64> {
            let of_kind = page.iter().filter(|row| row.2 == wanted.name());
            of_kind.filter_map(|row| row.3).collect()
        };
        let mut referred = Referred::default();
        let incidents = numbers(Kind::Incident);
        if !incidents.is_empty() {
            referred.incidents = self.read_incidents_among(&incidents).await?;
        }
        let batches = numbers(Kind::Batch);
        if !batches.is_empty() {
            referred.batches = self.read_batches(&batches).await?;
        }
        let mut ids = Vec::new();
        for row in page.iter().filter(|row| row.2 == Kind::Reread.name()) {
            let body = row.4.as_deref().unwrap_or_default();
            ids.extend(
                body::ids(body).map_err(|error| StoreError::from_driver("feed_page", error))?,
            );
        }
        for chunk in ids.chunks(super::CERTIFICATES_A_ROW) {
            let rows = self.certificates(chunk).await?;
            let by_id = rows.into_iter().map(|row| (row.id.clone(), row));
            referred.certificates.extend(by_id);
        }
        Ok(referred)
    }

    async fn read_incidents_among(
        &self,
        numbers: &[i64],
    ) -> Result<HashMap<i64, Incident>, StoreError> {
        let select = sqlx::query_as::<_, (i64, String)>(
            "SELECT number, body FROM incidents WHERE number = ANY($1)",
        )
        .bind(numbers);
        let read = async {
            let rows = select.fetch_all(&self.pool).await?;
            let incidents = rows.into_iter().map(|row| Ok((row.0, incident(row)?)));
            incidents.collect()
        };
        self.queries.named("changed_incidents", read).await
    }

    async fn read_batches(
        &self,
        numbers: &[i64],
    ) -> Result<HashMap<i64, Vec<StoredObservation>>, StoreError> {
        let observations = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT batch, ",
            counted_columns!(),
            " FROM batches JOIN observations ON batch = number
             WHERE number = ANY($1) AND closed AND NOT silent"
        ))
        .bind(numbers)
        .fetch(&self.pool);
        let mut batches: HashMap<i64, Vec<StoredObservation>> = HashMap::new();
        self.queries
            .each("changed_observations", observations, |row| {
                batches.entry(row.batch).or_default().push(row);
            })
            .await?;
        Ok(batches)
    }
}

/// Whether the database is read-only, or its disk is full.
fn takes_no_writes(error: &StoreError) -> bool {
    matches!(error.code().as_deref(), Some("25006" | "53100"))
}

/// Whether these rows have the positions that follow this one, without a gap.
pub(in crate::store::postgres) fn follows(place: i64, page: &[Row]) -> bool {
    (place + 1..).zip(page).all(|(next, row)| row.1 == next)
}

fn certificate(certificate: Certificate) -> Change {
    Change::Certificate(Box::new(certificate))
}
