//! The precision of hourly counts if only a sample is read.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::time::{HOUR, Timestamp};
use crate::domain::transparency::sample::{Estimate, estimate};

/// Blocks remembered: ten of each of a hundred logs are enough.
const MOST_BLOCKS: usize = 1_000;

/// The blocks of the last hour that was read.
#[derive(Debug, Default)]
pub(super) struct Precision(VecDeque<Block>);

#[derive(Clone, Copy, Debug)]
struct Block {
    log: usize,
    at: Timestamp,
    /// The number of blocks it stands for.
    weight: u64,
    /// The certificates of the counted CAs in it.
    count: u64,
}

impl Precision {
    /// Adds a block of this log, read up to this instant.
    pub(super) fn add(&mut self, log: usize, at: Timestamp, weight: u64, count: u64) {
        self.0.push_back(Block {
            log,
            at,
            weight,
            count,
        });
        while self.0.len() > MOST_BLOCKS || self.0.front().is_some_and(|first| at - first.at > HOUR)
        {
            self.0.pop_front();
        }
    }

    /// The relative standard error of an hour's count; `None` if every block is read, or nothing
    /// was counted.
    pub(super) fn relative_error(&self) -> Option<f64> {
        let mut of_log: BTreeMap<usize, (u64, Vec<u64>)> = BTreeMap::new();
        for block in &self.0 {
            let (weight, counts) = of_log.entry(block.log).or_default();
            *weight = (*weight).max(block.weight);
            counts.push(block.count);
        }
        if of_log.values().all(|(weight, _)| *weight == 1) {
            return None;
        }
        let each = of_log
            .values()
            .map(|(weight, counts)| estimate(counts, *weight));
        let sum = each.fold(Estimate::default(), |sum, one| Estimate {
            count: sum.count + one.count,
            standard_error: sum.standard_error.hypot(one.standard_error),
        });
        sum.relative_error()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_of_the_last_hour_and_of_samples_alone() {
        let at = |minute: i64| Timestamp::from_unix(1_795_255_200 + minute * 60);
        let mut all = Precision::default();
        all.add(0, at(0), 1, 100);
        assert_eq!(all.relative_error(), None);
        let mut sample = Precision::default();
        for minute in 0..600 {
            sample.add(0, at(minute), 10, 90 + (minute.unsigned_abs() % 2) * 20);
        }
        // 61 blocks of 100 ± 10, with nine in ten left out: 10 / 100 / √61 · √0.9.
        let error = sample.relative_error().unwrap();
        assert!((error - 0.0122).abs() < 0.0005, "{error}");
    }
}
