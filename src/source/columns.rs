//! Converts rows of an export to counts, using the configured columns.

use std::collections::BTreeMap;

use super::progress::SourceError;
use crate::config::ColumnsConfig;
use crate::domain::demand::observation::{Kind, Observation};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, Span, Timestamp};
use crate::ingest::{Decode, Item, ObservationFormat, Unknown};

/// The tolerated ratio of wrong rows to right ones. With more, the export does not match the
/// configuration.
const MOST_WRONG_SHARE: u64 = 2;

/// Counts of one step held in memory: a year of minutes with two endpoints, about 200 MB.
const MOST_COUNTS: usize = 1_000_000;

/// Counts the rows of an export.
pub(super) struct Rows<'a> {
    config: &'a ColumnsConfig,
    ca: CaName,
    vantage: String,
    /// Rows outside are ignored.
    span: Span,
    decoder: Box<dyn Decode<Observation>>,
    items: Vec<Item<Observation>>,
    /// If each row is one event: the sums by minute.
    sums: BTreeMap<Key, u64>,
    counts: Vec<Observation>,
    right: u64,
    wrong: u64,
    /// The first error.
    reason: Option<String>,
    /// From this time on, a minute without a row is one in which nothing happened: since the first
    /// row, or earlier.
    known_from: Option<Timestamp>,
    /// A row that begins outside the span.
    outside: Option<Timestamp>,
}

type Key = (Timestamp, Kind, Option<String>, Option<String>);

impl<'a> Rows<'a> {
    /// Counts rows that begin within a span.
    pub(super) fn new(config: &'a ColumnsConfig, ca: CaName, source: &str, span: Span) -> Self {
        let mut rows = Self {
            config,
            ca,
            vantage: source.to_owned(),
            span,
            decoder: ObservationFormat::Csv.decoder_with(Unknown::Refused),
            items: Vec::new(),
            sums: BTreeMap::new(),
            counts: Vec::new(),
            right: 0,
            wrong: 0,
            reason: None,
            known_from: None,
            outside: None,
        };
        let mut header: Vec<&str> = config.columns.iter().map(|(field, _)| *field).collect();
        if !config.has("count") {
            header.push("count");
        }
        if !config.has("kind") {
            header.push("kind");
        }
        rows.push_line(header.iter().copied());
        rows
    }

    /// The same if the rows are complete for the span, so that minutes before the first one are
    /// known too.
    pub(super) fn all_known(mut self) -> Self {
        self.known_from = Some(self.span.from);
        self
    }

    /// A row that begins outside the span, if there was one.
    pub(super) const fn outside(&self) -> Option<Timestamp> {
        self.outside
    }

    /// Adds a row: the values of the configured columns, in their order.
    pub(super) fn push<'v>(
        &mut self,
        values: impl Iterator<Item = &'v str>,
    ) -> Result<(), SourceError> {
        let config = self.config;
        let one = (!config.has("count")).then_some("1");
        let kind = (!config.has("kind")).then(|| config.counts.name());
        self.push_line(values.chain(one).chain(kind));
        self.take()
    }

    /// The counts in chronological order. If each row is one event, minutes without any are counted
    /// as 0 from the first row on.
    pub(super) fn finish(mut self) -> Result<Vec<Observation>, SourceError> {
        self.decoder.finish(&mut self.items);
        self.take()?;
        if self.wrong * MOST_WRONG_SHARE > self.right {
            let reason = self.reason.unwrap_or_default();
            return Err(SourceError::Wrong(format!(
                "{} of {} rows are not what `columns` says: {reason}",
                self.wrong,
                self.wrong + self.right
            )));
        }
        if self.wrong > 0 {
            let (rows, reason) = (self.wrong, self.reason.as_deref().unwrap_or_default());
            tracing::warn!(
                event = "source_rows_refused",
                source = self.vantage.as_str(),
                rows,
                reason
            );
        }
        if !self.config.has("count") {
            self.fill();
        }
        let sums = std::mem::take(&mut self.sums);
        for ((at, kind, endpoint, error_type), count) in sums {
            let plain = self.plain(at, kind, count);
            self.counts.push(Observation {
                endpoint,
                error_type,
                ..plain
            });
        }
        self.counts.sort_by_key(|one| one.at);
        Ok(self.counts)
    }

    fn plain(&self, at: Timestamp, kind: Kind, count: u64) -> Observation {
        Observation {
            ca: self.ca.clone(),
            vantage: Some(self.vantage.clone()),
            ..Observation::plain(at, self.config.believed_as, kind, count)
        }
    }

    /// Writes a line of CSV for the decoder, with all values quoted.
    fn push_line<'v>(&mut self, values: impl Iterator<Item = &'v str>) {
        let mut line = String::new();
        for value in values {
            if !line.is_empty() {
                line.push(',');
            }
            line.push('"');
            // The decoder expects one record per line.
            line.push_str(&value.replace('"', "\"\"").replace(['\n', '\r'], " "));
            line.push('"');
        }
        line.push('\n');
        self.decoder.push(line.as_bytes(), &mut self.items);
    }

    fn take(&mut self) -> Result<(), SourceError> {
        for item in std::mem::take(&mut self.items) {
            match item.record {
                Ok(observation) => self.count(observation),
                Err(rejection) => {
                    self.wrong += 1;
                    // The decoder's first line is the header, as in the file.
                    self.reason.get_or_insert_with(|| {
                        let (line, field) = (item.line, &rejection.field);
                        format!(
                            "row {}: {field}: {}",
                            line.saturating_sub(1),
                            rejection.detail
                        )
                    });
                }
            }
        }
        if self.sums.len().max(self.counts.len()) > MOST_COUNTS {
            return Err(SourceError::Wrong(format!(
                "there are more than {MOST_COUNTS} counts: export fewer, or by longer spans"
            )));
        }
        Ok(())
    }

    fn count(&mut self, observation: Observation) {
        self.right += 1;
        let at = observation.at;
        self.known_from = Some(self.known_from.map_or(at, |from| from.min(at)));
        if !self.span.contains(at) {
            self.outside = Some(at);
            return;
        }
        if self.config.has("count") {
            self.counts.push(Observation {
                seconds: u32::try_from(self.config.row_seconds).unwrap_or(60),
                source: self.config.believed_as,
                ca: self.ca.clone(),
                vantage: Some(self.vantage.clone()),
                ..observation
            });
            return;
        }
        let minute = Timestamp::from_unix(at.slot(MINUTE) * MINUTE);
        let key = (
            minute,
            observation.kind,
            observation.endpoint,
            observation.error_type,
        );
        *self.sums.entry(key).or_default() += 1;
    }

    /// Adds zeros for minutes without a row.
    fn fill(&mut self) {
        let Some(first) = self.known_from else {
            return;
        };
        let counted: std::collections::BTreeSet<Timestamp> =
            self.sums.keys().map(|(at, ..)| *at).collect();
        let from = first.max(self.span.from).slot(MINUTE);
        for minute in from..self.span.to.slot(MINUTE) {
            let at = Timestamp::from_unix(minute * MINUTE);
            if self.span.contains(at) && !counted.contains(&at) && self.counts.len() < MOST_COUNTS {
                let silent = self.plain(at, self.config.counts, 0);
                self.counts.push(silent);
            }
        }
    }
}
