//! Estimates from every n-th tile of a log: counts with a standard error, and which n a budget
//! allows.

use super::tile::WIDTH;
use crate::math::number::real;

/// A count that was estimated from a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// How many there are, as far as the sample tells.
    pub count: f64,
    /// Its standard error: two times that, more or less, is a 95 % interval.
    pub standard_error: f64,
}

impl Estimate {
    /// The standard error as a share of the count; `None` of nothing.
    #[must_use]
    pub fn relative_error(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.standard_error / self.count)
    }
}

/// How many of a kind a log took, where of each of these tiles, every n-th of the log, it is known how
/// many it holds. A tile is a cluster: the entries of one instant come together, so the error is that of
/// the tiles' counts and not of single entries (W. G. Cochran, Sampling Techniques, 3rd edition 1977,
/// section 9A.4, equation 9.13 with equal clusters). Every n-th tile is taken for tiles at random:
/// where neighbours are alike the true error is smaller.
#[must_use]
pub fn estimate(counts: &[u64], every: u64) -> Estimate {
    let sampled = real(i64::try_from(counts.len()).unwrap_or(i64::MAX));
    let every = real(i64::try_from(every.max(1)).unwrap_or(i64::MAX));
    if counts.is_empty() {
        return Estimate::default();
    }
    let number = |count: &u64| real(i64::try_from(*count).unwrap_or(i64::MAX));
    let sum: f64 = counts.iter().map(number).sum();
    let mean = sum / sampled;
    // Of a single tile nothing is known of the spread: as if its entries were independent.
    let variance = if counts.len() == 1 {
        mean
    } else {
        let squares: f64 = counts
            .iter()
            .map(|count| (number(count) - mean).powi(2))
            .sum();
        squares / (sampled - 1.0)
    };
    let left_out = 1.0 - 1.0 / every;
    Estimate {
        count: sum * every,
        standard_error: every * (sampled * variance * left_out).sqrt(),
    }
}

/// How a log grows, as far as two of its tiles tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Full tiles a day.
    pub tiles_per_day: f64,
    /// Octets that a tile takes on its way, with the tree and the hashes that it is verified by: as if the log
    /// were asked for its tree once a tile.
    pub octets_per_tile: f64,
}

impl Growth {
    /// Of so many leaves in so many seconds, where a tile took so many octets.
    #[must_use]
    pub fn of(leaves: u64, seconds: f64, octets_per_tile: f64) -> Self {
        let leaves = real(i64::try_from(leaves).unwrap_or(i64::MAX));
        let tiles = leaves / real(i64::try_from(WIDTH).unwrap_or(i64::MAX));
        Self {
            tiles_per_day: tiles / seconds.max(1.0) * 86_400.0,
            octets_per_tile,
        }
    }

    /// Octets that all of it takes in a day, at most.
    #[must_use]
    pub fn octets_per_day(self) -> f64 {
        self.tiles_per_day * self.octets_per_tile
    }

    /// The least n so that every n-th tile stays within so many octets a day.
    #[must_use]
    pub fn every_within(self, octets_per_day: f64) -> u64 {
        let whole = self.octets_per_day() / octets_per_day.max(1.0);
        // 10^6: a tile of the largest log each hour or so.
        let mut every = 1;
        while real(every) < whole && every < 1_000_000 {
            // Coarse steps far out: an eighth more each.
            every += (every / 8).max(1);
        }
        every.cast_unsigned()
    }

    /// The relative standard error of the count of one hour in which a share of the entries is the
    /// CA's, as if entries were independent: the least that it can be.
    #[must_use]
    pub fn hourly_error(self, every: u64, share: f64) -> Option<f64> {
        let every = real(i64::try_from(every.max(1)).unwrap_or(i64::MAX));
        let entries = self.tiles_per_day / 24.0 / every * real(256) * share;
        (entries > 0.0).then(|| ((1.0 - 1.0 / every) / entries).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_has_no_error() {
        let all = estimate(&[3, 5, 7], 1);
        assert_eq!((all.count, all.standard_error), (15.0, 0.0));
        assert_eq!(estimate(&[], 10), Estimate::default());
    }

    /// Tiles whose counts differ by a known rule: of all samples of every tenth tile, some two thirds
    /// lie within one standard error of the truth, and nearly all within two.
    #[test]
    fn the_error_says_how_far_a_sample_is_off() {
        let mut state = 1_u64;
        let mut random = || {
            // Of Knuth's MMIX; its upper bits are random enough.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 40
        };
        let tiles: Vec<u64> = (0..10_000).map(|_| 60 + random() % 80).collect();
        let truth = real(i64::try_from(tiles.iter().sum::<u64>()).unwrap());
        let (mut within_one, mut within_two) = (0, 0);
        for start in 0..50 {
            let sample: Vec<u64> = tiles.iter().skip(start).step_by(50).copied().collect();
            let estimate = estimate(&sample, 50);
            let off = (estimate.count - truth).abs();
            within_one += u32::from(off <= estimate.standard_error);
            within_two += u32::from(off <= 2.0 * estimate.standard_error);
        }
        assert!((25..=43).contains(&within_one), "{within_one} of 50");
        assert!((44..=50).contains(&within_two), "{within_two} of 50");
    }

    #[test]
    fn a_budget_says_which_tiles_are_left_out() {
        // 256,000 leaves in an hour: 24,000 tiles a day, at 200 kB 4.8 GB.
        let growth = Growth::of(256_000, 3_600.0, 200_000.0);
        assert!((growth.octets_per_day() - 4.8e9).abs() < 1.0);
        let every = growth.every_within(200e6);
        assert!((24..=27).contains(&every), "{every}");
        assert_eq!(growth.every_within(5e9), 1);
        // Half of them: 5,000 entries an hour, and one in 72.
        let error = growth.hourly_error(every, 0.5).unwrap();
        assert!((0.013..0.016).contains(&error), "{error}");
        assert_eq!(growth.hourly_error(every, 0.0), None);
    }
}
