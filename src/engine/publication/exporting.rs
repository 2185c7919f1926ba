//! The export for peers: the store's counts, and the registry's certificates counted by minute.

use std::fmt;
use std::str::FromStr;
use std::sync::PoisonError;

use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::time::{DAY, MINUTE, Span, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::store::ExportPlace;

/// How long after their end the registry's minutes are exported. Certificates are registered within
/// a minute of issuance, and other replicas know them within another. A certificate registered
/// later is missing for peers that already have its minute.
const SETTLED_SECONDS: i64 = 5 * MINUTE;

/// A peer's position. The peer treats it as opaque text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExportCursor {
    place: ExportPlace,
    /// The registry's minutes before this one have been exported, counted from 1970.
    minute: i64,
}

/// Some counts for a peer, and where to continue.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The counts.
    pub observations: Vec<Observation>,
    /// Where to continue.
    pub next: ExportCursor,
    /// Whether more is available now.
    pub more: bool,
}

impl Engine {
    /// About `limit` counts after a cursor, or from the beginning; `None` if the cursor belongs to
    /// another database.
    ///
    /// # Errors
    /// [`EngineError`] if the store fails, or the registry has not been summed yet.
    pub async fn export(
        &self,
        after: Option<&ExportCursor>,
        limit: u32,
    ) -> Result<Option<Export>, EngineError> {
        self.wait_until_ready().await?;
        let place = after.map(|cursor| &cursor.place);
        let Some(page) = self.store().export(place, limit).await? else {
            return Ok(None);
        };
        let mut export = Export {
            observations: page.observations,
            next: ExportCursor {
                place: page.next,
                minute: after.map_or(0, |cursor| cursor.minute),
            },
            more: page.more,
        };
        // The registry follows after all of the store's counts.
        if !export.more {
            self.add_registry(&mut export, limit);
        }
        Ok(Some(export))
    }

    /// Adds minutes of the registry of all CAs, as many as fit. Days without any are skipped.
    fn add_registry(&self, export: &mut Export, limit: u32) {
        let memory = self.memory();
        let settled = (self.now() - SETTLED_SECONDS).slot(MINUTE);
        let kept = (self.now() - memory.config.retention_seconds).slot(MINUTE);
        let mut from = export.next.minute.max(kept);
        while from < settled {
            let room = (limit as usize).saturating_sub(export.observations.len());
            if room == 0 {
                break;
            }
            // Each CA has at most one count a minute.
            let minutes = i64::try_from(room / memory.cas.len().max(1)).unwrap_or(i64::MAX);
            let to = (from + minutes.clamp(1, DAY / MINUTE)).min(settled);
            let span = Span {
                from: Timestamp::from_unix(from * MINUTE),
                to: Timestamp::from_unix(to * MINUTE),
            };
            for (policy, ca) in memory.config.cas.iter().zip(&memory.cas) {
                let series = ca.series.read().unwrap_or_else(PoisonError::into_inner);
                let counts = series.registered(span).into_iter();
                let observations = counts.map(|(at, count)| Observation {
                    ca: policy.name.clone(),
                    ..Observation::plain(at, Source::Registrations, Kind::Issued, count)
                });
                export.observations.extend(observations);
            }
            from = to;
        }
        export.next.minute = from;
        export.more = from < settled;
    }
}

impl fmt::Display for ExportCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExportPlace {
            database,
            batch,
            rows,
        } = &self.place;
        write!(f, "{database}.{batch}.{rows}.{}", self.minute)
    }
}

impl FromStr for ExportCursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NONE: &str = "it is not the `next` of an earlier answer";
        let mut parts = text.split('.');
        let database = parts.next().filter(|name| {
            (1..=32).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_hexdigit())
        });
        let mut number = || {
            let number = parts.next()?.parse::<u32>().ok()?;
            Some(i64::from(number))
        };
        let (batch, rows, minute) = (number(), number(), number());
        match (database, batch, rows, minute, parts.next()) {
            (Some(database), Some(batch), Some(rows), Some(minute), None) => Ok(Self {
                place: ExportPlace {
                    database: database.to_owned(),
                    batch,
                    rows,
                },
                minute,
            }),
            _ => Err(NONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        let text = "0123456789abcdef.17.3.29931234";
        let cursor: ExportCursor = text.parse().unwrap();
        assert_eq!(cursor.to_string(), text);
        for wrong in [
            "",
            "17",
            "0123.1.2",
            "0123.1.2.3.4",
            "0123.-1.2.3",
            "0123.1.2.99999999999",
            "x.1.2.3",
            ".1.2.3",
        ] {
            assert!(wrong.parse::<ExportCursor>().is_err(), "{wrong}");
        }
    }
}
