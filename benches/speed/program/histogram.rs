//! How long answers took, at a hundredth of their size.

/// Buckets to each doubling: the width of one is 1/64 of its value, so a quantile is at most 1.6 %
/// too high.
const BUCKETS_A_DOUBLING: u64 = 64;
/// Doublings after the first 64 ns: 64 · 2^36 ns are 73 minutes, longer than any run.
const DOUBLINGS: u64 = 36;

/// Counts of durations by logarithmic buckets.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most_nanos: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        let buckets = BUCKETS_A_DOUBLING * (DOUBLINGS + 1);
        Self {
            counts: vec![0; usize::try_from(buckets).unwrap_or(usize::MAX)],
            total: 0,
            most_nanos: 0,
        }
    }

    /// What several have seen together.
    pub(super) fn of_all(parts: &[Self]) -> Self {
        let mut all = Self::new();
        for part in parts {
            for (sum, count) in all.counts.iter_mut().zip(&part.counts) {
                *sum += count;
            }
            all.total += part.total;
            all.most_nanos = all.most_nanos.max(part.most_nanos);
        }
        all
    }

    pub(super) fn record(&mut self, nanos: u64) {
        let at = bucket(nanos).min(self.counts.len() - 1);
        self.counts[at] += 1;
        self.total += 1;
        self.most_nanos = self.most_nanos.max(nanos);
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    pub(super) const fn most_nanos(&self) -> u64 {
        self.most_nanos
    }

    /// The least duration, rounded up to its bucket's end, that `per_mille` of a thousand did not
    /// exceed; 0 where nothing was recorded.
    pub(super) fn quantile_nanos(&self, per_mille: u64) -> u64 {
        let rank = (self.total * per_mille).div_ceil(1_000).max(1);
        let mut below = 0;
        for (at, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                return end_of(at).min(self.most_nanos);
            }
        }
        0
    }
}

/// Up to 64 ns a bucket each; above, 64 buckets to each doubling.
fn bucket(nanos: u64) -> usize {
    let doubling =
        u64::from(nanos.max(1).ilog2()).saturating_sub(u64::from(BUCKETS_A_DOUBLING.ilog2()));
    let at = if nanos < BUCKETS_A_DOUBLING {
        nanos
    } else {
        // The six bits after the first one.
        (doubling + 1) * BUCKETS_A_DOUBLING + ((nanos >> doubling) - BUCKETS_A_DOUBLING)
    };
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The longest duration of a bucket.
fn end_of(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    let (block, at) = (bucket / BUCKETS_A_DOUBLING, bucket % BUCKETS_A_DOUBLING);
    match block.checked_sub(1) {
        None => at,
        Some(doubling) => ((BUCKETS_A_DOUBLING + at + 1) << doubling) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_begins_where_the_one_before_ends() {
        for at in 0..2_000 {
            assert_eq!(bucket(end_of(at)), at);
            assert_eq!(bucket(end_of(at) + 1), at + 1);
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded_within_a_bucket() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.quantile_nanos(990), 0);
        for micros in 1..=1_000 {
            histogram.record(micros * 1_000);
        }
        for (per_mille, exact) in [(500, 500_000), (990, 990_000), (999, 999_000)] {
            let quantile = histogram.quantile_nanos(per_mille);
            assert!(
                (exact..=exact + exact / 64).contains(&quantile),
                "{quantile} for {exact}"
            );
        }
        assert_eq!(histogram.quantile_nanos(1_000), 1_000_000);
        assert_eq!(histogram.most_nanos(), 1_000_000);
        assert_eq!(histogram.total(), 1_000);
    }

    #[test]
    fn what_takes_hours_is_counted_too() {
        let mut histogram = Histogram::new();
        histogram.record(u64::MAX);
        assert_eq!(histogram.total(), 1);
        assert!(histogram.quantile_nanos(500) > 60 * 60 * 1_000_000_000);
    }
}
