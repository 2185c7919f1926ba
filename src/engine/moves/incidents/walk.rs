//! Reads the certificates that an incident affects from the store, a page at a time, several ranges
//! in parallel.

use crate::domain::certificate::Certificate;
use crate::domain::moves::incident::{Incident, Kind};
use crate::domain::policy::capacity::closed_within;
use crate::domain::time::{DAY, HOUR, Span, Timestamp};
use crate::engine::error::EngineError;
use crate::engine::moves::scan::{Question, Scan};
use crate::engine::service::Engine;
use crate::store::IdRange;

/// Certificates in memory at a time: about 400 octets each, and some milliseconds of computation.
pub(super) const PAGE_ROWS: u32 = 2_000;

/// How far ahead windows can lie: two thirds of 825 days, the former limit for public certificates
/// and a common lifetime of private ones.
const AHEAD_SECONDS: i64 = 600 * DAY;

/// The most closed spans that are queried one by one, a millisecond each. More of them are so close
/// together that reading everything from the first to the last is cheaper.
const MOST_SPANS: usize = 1_000;

/// The state of reading an incident's certificates.
#[derive(Debug)]
pub(super) enum Walk {
    /// Certificates named for it.
    Named(Scan),
    /// Certificates with windows in closed spans.
    Windows {
        /// The closed spans: merged, in order.
        closed: Vec<Span>,
        /// The spans to read that have not been started: the closed spans, or one that covers them
        /// all.
        spans: std::vec::IntoIter<Span>,
        /// The ranges in which each is read.
        ranges: Vec<IdRange>,
        /// The span being read, and its progress.
        reading: Option<(Span, Scan)>,
    },
}

impl Engine {
    /// Starts to read the certificates that an incident affects.
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
    /// The next page, which may be empty; `None` at the end. Each certificate comes once.
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
            // A window in two spans was returned with the first of them.
            page.retain(|certificate| {
                let first = first_touched(closed, certificate.window);
                first.is_some_and(|first| first.from >= span.from)
            });
            return Ok(Some(page));
        }
    }
}

/// Whether an incident affects named certificates; otherwise those with windows in its time.
pub(super) const fn names_certificates(kind: Kind) -> bool {
    match kind {
        Kind::Drill | Kind::Revocation => true,
        Kind::Maintenance | Kind::Outage => false,
    }
}

/// When an incident closes its CA, or did: merged, in order.
fn closed_spans(incident: &Incident, now: Timestamp) -> Vec<Span> {
    if let Some((from, to)) = incident.from.zip(incident.assumed_end(now)) {
        // Until it is over, windows in the hour in which failed clients return also move.
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

/// The first of the spans, in order, that a window touches.
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
