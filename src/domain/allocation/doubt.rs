//! Certificates that were registered late, as long as it is unknown whether their clients follow.
//!
//! The clients of an imported fleet are expected to follow like other new ones, with the share φ. But
//! all of them may follow; then its windows bring three times the booked load. So until polls show
//! more, its windows are spread as if all of them were followed.

use super::level::spans;
use crate::allocation::slots::SlotRange;
use crate::client::following::SILENT_AFTER_SECONDS;
use crate::time::timeline::Timeline;
use crate::time::{Span, Timestamp};

/// Doubted load counts in full up to this share of the band's usual load. Much more than that is not
/// one fleet among others but an import of the whole CA. Then φ describes the crowd well, and another
/// spread would leave the load as uneven as before.
const FLEET: f64 = 0.1;

/// Σ (1 − f) · window over the windows that this process drew for late certificates. Sums that are
/// older than the evidence are dropped, one generation at a time.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    young: Timeline,
    old: Timeline,
    /// When the younger generation began.
    since: Option<Timestamp>,
}

impl Doubt {
    pub(super) fn add(&mut self, now: Timestamp, window: Span, amount: f64) {
        self.age(now);
        self.young.spread(window, amount);
    }

    fn age(&mut self, now: Timestamp) {
        let since = *self.since.get_or_insert(now);
        let generations = (now - since) / SILENT_AFTER_SECONDS;
        if generations >= 1 {
            self.old = std::mem::take(&mut self.young);
            self.since = Some(now);
        }
        if generations >= 2 {
            self.old = Timeline::default();
        }
    }

    /// How much more load than expected may come in each slot of a band whose usual load is `usual`.
    pub(super) fn in_slots(&self, range: SlotRange, usual: f64) -> Vec<f64> {
        let doubted: Vec<f64> = spans(range)
            .map(|slot| (self.young.sum(slot) + self.old.sum(slot)).max(0.0))
            .collect();
        let all: f64 = doubted.iter().sum();
        let counts = (FLEET * usual / all.max(1e-9)).min(1.0).powi(2);
        doubted.iter().map(|amount| amount * counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, HOUR};

    const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

    fn range() -> SlotRange {
        let first = NOW.slot(HOUR);
        SlotRange {
            slot_seconds: HOUR,
            first,
            end: first + 3,
            widest_first: first,
            latest_end: first + 3,
        }
    }

    fn window() -> Span {
        Span {
            from: NOW + HOUR,
            to: NOW + HOUR + 900,
        }
    }

    #[test]
    fn a_doubt_counts_until_the_evidence_is_there() {
        let mut doubt = Doubt::default();
        doubt.add(NOW, window(), 7.0);
        assert_eq!(doubt.in_slots(range(), 1_000.0), [0.0, 7.0, 0.0]);
        doubt.add(NOW + DAY, window(), 1.0);
        assert_eq!(doubt.in_slots(range(), 1_000.0), [0.0, 8.0, 0.0]);
        doubt.add(NOW + 30 * HOUR, window(), 2.0);
        assert_eq!(doubt.in_slots(range(), 1_000.0), [0.0, 10.0, 0.0]);
        doubt.add(NOW + 60 * HOUR, window(), 0.5);
        assert_eq!(doubt.in_slots(range(), 1_000.0), [0.0, 2.5, 0.0]);
        doubt.add(NOW + 20 * DAY, window(), 0.25);
        assert_eq!(doubt.in_slots(range(), 1_000.0), [0.0, 0.25, 0.0]);
    }

    #[test]
    fn a_whole_ca_is_no_fleet() {
        let mut doubt = Doubt::default();
        doubt.add(NOW, window(), 400.0);
        assert_eq!(doubt.in_slots(range(), 4_000.0), [0.0, 400.0, 0.0]);
        assert_eq!(doubt.in_slots(range(), 2_000.0), [0.0, 100.0, 0.0]);
        assert_eq!(doubt.in_slots(range(), 0.0), [0.0; 3]);
    }
}
