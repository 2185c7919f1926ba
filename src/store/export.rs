//! What peers take: the counts of this store, in one order, page by page.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use super::row::StoredObservation;
use crate::domain::demand::observation::Observation;

/// The prefix of the vantages of counts from a peer. These are not passed on, because two servers
/// that read from each other would count their own load again and again.
pub const PEER: &str = "peer:";

/// Batches read for one page, and the number that get positions at a time. A batch holds some ten
/// rows, the counts of a source in a minute, so this is enough for a page of some thousand rows.
pub(super) const BATCHES: i64 = 500;

/// Where a reader of the counts stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportPlace {
    /// Of which database that is the place.
    pub database: String,
    /// The place of the batch that is read next.
    pub batch: i64,
    /// How many of its rows were read.
    pub rows: i64,
}

/// Some counts, and what comes after them.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportPage {
    /// Counts of all sources but the registry and peers.
    pub observations: Vec<Observation>,
    /// Where the next page begins.
    pub next: ExportPlace,
    /// Whether there is more now.
    pub more: bool,
}

/// Counts for peers. As with [`super::durable::Store`], every method is one durable step or one consistent read.
#[async_trait]
pub trait ExportStore {
    /// Up to `limit` counts after a place, or from the beginning; each batch once, however late it was
    /// closed. `None`: the place is one of another database, or of this one before it was put back to an
    /// earlier state.
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

/// What a page was made of.
struct Read {
    /// The database, and the place given last in it.
    of: (String, i64),
    /// Where the page begins.
    from: ExportPlace,
    /// The places of the batches that were looked at, ascending.
    batches: Vec<i64>,
    /// Rows with the place of their batch, in the order of places.
    rows: Vec<(i64, Observation)>,
    /// How many rows were asked for.
    limit: u32,
    /// Whether batches have no place yet.
    waiting: bool,
}

/// Where to begin; `None` if the place is of another database.
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

/// How many batches to look at from here: one that was read in part is read alone, since its rows may
/// have become fewer and those of the next must not be passed over in their stead.
const fn batches_from(place: &ExportPlace) -> i64 {
    if place.rows > 0 { 1 } else { BATCHES }
}

impl Read {
    /// The page.
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
            // All that was looked at was read; what has no place yet comes behind it.
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
