//! The export for peers: this store's counts in a fixed order, page by page.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::row::StoredObservation;
use crate::domain::demand::observation::Observation;

/// The prefix of the vantages of counts that came from a peer. These are not exported: two servers that
/// read from each other would count their own load again and again.
pub const PEER: &str = "peer:";

/// How many batches are read for one page, and how many get a position at a time. A batch has about ten
/// rows, the counts of a source in a minute, so this is enough for a page of some thousand rows.
pub(super) const BATCHES: i64 = 500;

/// The position of a reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportPlace {
    /// The database in which this is a position.
    pub database: String,
    /// The position of the batch that is read next.
    pub batch: i64,
    /// How many of its rows have been read.
    pub rows: i64,
}

/// A page of counts, and the position after it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportPage {
    /// Counts from all sources except the registry and peers.
    pub observations: Vec<Observation>,
    /// Where the next page begins.
    pub next: ExportPlace,
    /// Whether more can be read now.
    pub more: bool,
}

/// Counts for peers. As with [`super::durable::Store`], every method is one transaction or one
/// consistent read.
#[async_trait]
pub trait ExportStore {
    /// Up to `limit` counts after a position, or from the beginning. Each batch is returned once,
    /// however late it was closed. `None` if the position is from another database, or from before this
    /// one was restored to an earlier state.
    async fn export(
        &self,
        after: Option<&ExportPlace>,
        limit: u32,
    ) -> Result<Option<ExportPage>, StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl ExportStore for ThisStore {
        async fn export(
            &self,
            after: Option<&ExportPlace>,
            limit: u32,
        ) -> Result<Option<ExportPage>, StoreError> {
            let waiting = sqlx::query_as::<_, (i64,)>(
                "SELECT number FROM batches
                 WHERE closed AND NOT silent AND exported IS NULL LIMIT 1",
            );
            let waiting = match self.row("export_waiting", waiting).await? {
                Some(_) => self.place_batches().await?,
                None => false,
            };
            let mut snapshot = self.read().await?;
            let of = sqlx::query_as("SELECT database, last FROM exports LIMIT 1");
            let of = self.row_in(&mut snapshot, "export_position", of).await?;
            let of: (String, i64) = of.ok_or_else(|| {
                StoreError::from_driver("export_position", sqlx::Error::RowNotFound)
            })?;
            let Some(from) = begin(after, &of) else {
                self.end(snapshot).await?;
                return Ok(None);
            };
            let batches = sqlx::query_as::<_, (i64,)>(
                "SELECT exported FROM batches WHERE exported >= $1 ORDER BY exported LIMIT $2",
            )
            .bind(from.batch)
            .bind(batches_from(&from));
            let batches = self.rows_in(&mut snapshot, "export_batches", batches).await?;
            let batches: Vec<i64> = batches.into_iter().map(|(place,)| place).collect();
            let rows = sqlx::query_as::<_, StoredObservation>(Self::EXPORTED_ROWS)
                .bind(from.batch)
                .bind(batches.last().copied())
                .bind(i64::from(limit))
                .bind(from.rows);
            let rows = self.rows_in(&mut snapshot, "export_rows", rows).await?;
            self.end(snapshot).await?;
            let rows = rows.into_iter().map(|row| (row.batch, row.observation));
            let read = Read {
                of,
                from,
                batches,
                rows: rows.collect(),
                limit,
                waiting,
            };
            Ok(Some(read.page()))
        }
    }
}

/// What is read for one page.
struct Read {
    /// The database, and the last position given in it.
    of: (String, i64),
    /// Where the page begins.
    from: ExportPlace,
    /// The positions of the batches that were read, ascending.
    batches: Vec<i64>,
    /// Rows with the position of their batch, in the order of positions.
    rows: Vec<(i64, Observation)>,
    /// How many rows were requested.
    limit: u32,
    /// Whether there are batches without a position.
    waiting: bool,
}

/// The position to begin at; `None` if `after` is from another database.
fn begin(after: Option<&ExportPlace>, of: &(String, i64)) -> Option<ExportPlace> {
    let (database, last) = of;
    match after {
        None => Some(ExportPlace {
            database: database.clone(),
            batch: 1,
            rows: 0,
        }),
        Some(place) if place.database == *database && place.batch <= last + 1 => {
            Some(place.clone())
        }
        Some(_) => None,
    }
}

/// How many batches to read from here. A batch that was read in part is read alone: it may have fewer
/// rows by now, and then rows of the next batch must not be skipped in their place.
const fn batches_from(place: &ExportPlace) -> i64 {
    if place.rows > 0 { 1 } else { BATCHES }
}

impl Read {
    /// The page made of these rows.
    fn page(self) -> ExportPage {
        let full = self.rows.len() >= self.limit as usize;
        let in_part = self.rows.last().filter(|_| full).map(|(place, _)| *place);
        let next = match in_part {
            Some(place) => {
                let here = self.rows.iter().filter(|(of, _)| *of == place).count();
                let before = if place == self.from.batch {
                    self.from.rows
                } else {
                    0
                };
                (place, before + i64::try_from(here).unwrap_or(i64::MAX))
            }
            // All of these batches were read; batches without a position come later.
            None => match self.batches.last() {
                Some(last) => (last + 1, 0),
                None => (self.of.1 + 1, 0),
            },
        };
        let looked_at = i64::try_from(self.batches.len()).unwrap_or(i64::MAX);
        let looked_at_all = looked_at < batches_from(&self.from);
        ExportPage {
            observations: self.rows.into_iter().map(|(_, row)| row).collect(),
            more: full || !looked_at_all || self.waiting,
            next: ExportPlace {
                batch: next.0,
                rows: next.1,
                ..self.from
            },
        }
    }
}
