//! A sample of the latencies in a minute.

use crate::domain::math::number::real;

/// Latencies kept for each endpoint and minute. The median and the 95th percentile of a thousand
/// are off by at most a few per cent of a rank.
const MOST_LATENCIES: usize = 1_000;

/// The latencies of an endpoint in a minute.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    seen: usize,
    milliseconds: Vec<f64>,
}

impl Latencies {
    /// Adds a latency; each has the same probability of being kept (Vitter's algorithm R, 1985).
    pub(super) fn add(&mut self, milliseconds: f64) {
        self.seen += 1;
        if self.milliseconds.len() < MOST_LATENCIES {
            self.milliseconds.push(milliseconds);
            return;
        }
        let at = rand::random_range(0..self.seen);
        if let Some(kept) = self.milliseconds.get_mut(at) {
            *kept = milliseconds;
        }
    }

    /// The quantile for this share.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = i64::try_from(sorted.len().checked_sub(1)?).unwrap_or(0);
        // The nearest rank.
        let rank = (real(last) * share).round();
        let at = (0..=last).find(|at| real(*at) >= rank).unwrap_or(last);
        sorted.get(usize::try_from(at).unwrap_or(0)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut latencies = Latencies::default();
        (0..3_000).for_each(|_| latencies.add(1.0));
        assert_eq!(latencies.milliseconds.len(), MOST_LATENCIES);
        assert_eq!(latencies.seen, 3_000);
    }
}
