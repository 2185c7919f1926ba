//! Every certificate that an incident concerns, a page at a time, from the store: several ranges are read
//! side by side.

use crate::domain::certificate::Certificate;
use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::capacity::closed_within;
use crate::domain::time::{DAY, HOUR, Span, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::moves::scan::{Question, Scan};
use crate::engine::service::Engine;
use crate::store::IdRange;

/// Certificates in memory at a time: some 400 octets each, and some milliseconds of arithmetic.
pub(super) const PAGE_ROWS: u32 = 2_000;

/// Windows lie this far ahead at most: two thirds of the 825 days that public certificates once
/// had, and what private ones have now.
const AHEAD_SECONDS: i64 = 600 * DAY;

/// So many closed spans are looked at one by one, each with a query of a millisecond; more of them
/// lie so close together that reading everything between the first and the last costs less.
const MOST_SPANS: usize = 1_000;

/// Where a reading of an incident's certificates stands.
#[derive(Debug)]
pub(super) enum Walk {
    /// They were named one by one.
    Named(Scan),
    /// Those with windows in closed spans.
    Windows {
        /// The spans: merged, in order.
        closed: Vec<Span>,
        /// What is read: the spans, or one that holds them all; those that were not begun.
        spans: std::vec::IntoIter<Span>,
        /// The ranges in which each is read.
        ranges: Vec<IdRange>,
        /// The one that is read, and how far.
        reading: Option<(Span, Scan)>,
    },
}

impl Engine {
    /// Begins to read what an incident concerns.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub(super) async fn walk(
        &self,
        incident: &Incident,
        now: Timestamp,
    ) -> Result<Walk, EngineError> {
        let ranges = self.scan_ranges().await?;
        if names_certificates(incident.kind) {
            let question = Question::OfIncident(incident.id);
            return Ok(Walk::Named(self.scan(ranges, question, PAGE_ROWS)));
        }
        let closed = closed_spans(incident, now);
        let hull = closed.first().zip(closed.last()).map(|(first, last)| Span {
            from: first.from,
            to: last.to,
        });
        let spans = match hull {
            Some(hull) if closed.len() > MOST_SPANS => vec![hull],
            _ => closed.clone(),
        };
        Ok(Walk::Windows {
            closed,
            spans: spans.into_iter(),
            ranges,
            reading: None,
        })
    }
}

impl Walk {
    /// The next page, empty where nothing on it counts; `None` at the end. A certificate comes
    /// once.
    pub(super) async fn next(
        &mut self,
        engine: &Engine,
        now: Timestamp,
    ) -> Result<Option<Vec<Certificate>>, EngineError> {
        let (closed, spans, ranges, reading) = match self {
            Self::Named(scan) => return scan.next().await,
            Self::Windows {
                closed,
                spans,
                ranges,
                reading,
            } => (closed, spans, ranges, reading),
        };
        loop {
            if reading.is_none() {
                let Some(span) = spans.next() else {
                    return Ok(None);
                };
                let question = Question::WithWindows { span, now };
                *reading = Some((span, engine.scan(ranges.clone(), question, PAGE_ROWS)));
            }
            let Some((span, pages)) = reading else {
                return Ok(None);
            };
            let Some(mut page) = pages.next().await? else {
                *reading = None;
                continue;
            };
            // A window that lies in two spans came with the first of them.
            page.retain(|certificate| {
                let first = first_touched(closed, certificate.window);
                first.is_some_and(|first| first.from >= span.from)
            });
            return Ok(Some(page));
        }
    }
}

/// Whether an incident concerns certificates that somebody named; else those with windows in its
/// time.
pub(super) const fn names_certificates(kind: Kind) -> bool {
    match kind {
        Kind::Drill | Kind::Revocation => true,
        Kind::Maintenance | Kind::Outage => false,
    }
}

/// When an incident keeps its CA closed, or kept it: merged, in order.
fn closed_spans(incident: &Incident, now: Timestamp) -> Vec<Span> {
    if let Some((from, to)) = incident.from.zip(incident.assumed_end(now)) {
        // Until it is over, windows in the hour in which those come back that it failed move as well.
        return vec![Span {
            from,
            to: to + HOUR,
        }];
    }
    let ahead = Span {
        from: now,
        to: now + AHEAD_SECONDS,
    };
    closed_within(&incident.closes(), ahead)
}

/// The first of the spans, which are in order, that a window touches.
fn first_touched(closed: &[Span], window: Span) -> Option<Span> {
    let at = closed.partition_point(|span| span.to <= window.from);
    closed.get(at).copied().filter(|span| span.from < window.to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        Span {
            from: Timestamp::from_unix(from),
            to: Timestamp::from_unix(to),
        }
    }

    #[test]
    fn a_window_belongs_to_the_first_span_it_touches() {
        let closed = [span(100, 200), span(250, 300)];
        for (window, want) in [
            (span(0, 100), None),
            (span(0, 101), Some(closed[0])),
            (span(199, 260), Some(closed[0])),
            (span(200, 250), None),
            (span(200, 251), Some(closed[1])),
            (span(300, 400), None),
        ] {
            assert_eq!(first_touched(&closed, window), want, "{window:?}");
        }
    }
}
