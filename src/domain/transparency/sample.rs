//! Estimates from every n-th tile of a log: counts with a standard error, and the n that a budget
//! allows.

use super::tile::WIDTH;
use crate::math::number::real;

/// A count estimated from a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// The estimated count.
    pub count: f64,
    /// Its standard error. The count ± twice this is about a 95 % interval.
    pub standard_error: f64,
}

impl Estimate {
    /// The standard error relative to the count; `None` if the count is 0.
    #[must_use]
    pub fn relative_error(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.standard_error / self.count)
    }
}

/// Estimates how many entries of a kind a log accepted, from the counts in every n-th tile. A tile
/// is a cluster, because similar entries arrive together, so the error is computed from the tiles'
/// counts and not from single entries (W. G. Cochran, Sampling Techniques, 3rd edition 1977,
/// section 9A.4, equation 9.13 with equal clusters). Every n-th tile is treated as a random sample;
/// if neighbours are similar, the true error is smaller.
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
    // A single tile says nothing about the spread. Assume that its entries are independent.
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

/// The growth of a log, estimated from two of its tiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Full tiles a day.
    pub tiles_per_day: f64,
    /// Octets transferred for a tile, including the tree and the hashes that verify it, as if the
    /// tree were fetched for every tile.
    pub octets_per_tile: f64,
}

impl Growth {
    /// From the number of leaves in a number of seconds, and the octets of a tile.
    #[must_use]
    pub fn of(leaves: u64, seconds: f64, octets_per_tile: f64) -> Self {
        let leaves = real(i64::try_from(leaves).unwrap_or(i64::MAX));
        let tiles = leaves / real(i64::try_from(WIDTH).unwrap_or(i64::MAX));
        Self {
            tiles_per_day: tiles / seconds.max(1.0) * 86_400.0,
            octets_per_tile,
        }
    }

    /// Octets a day for reading all of it, at most.
    #[must_use]
    pub fn octets_per_day(self) -> f64 {
        self.tiles_per_day * self.octets_per_tile
    }

    /// The smallest n with which reading every n-th tile stays within this many octets a day.
    #[must_use]
    pub fn every_within(self, octets_per_day: f64) -> u64 {
        let whole = self.octets_per_day() / octets_per_day.max(1.0);
        // 10^6: one tile of the largest log in about an hour.
        let mut every = 1;
        while real(every) < whole && every < 1_000_000 {
            // For large n, in steps of an eighth.
            every += (every / 8).max(1);
        }
        every.cast_unsigned()
    }

    /// The relative standard error of the count of one hour, if this share of the entries belongs
    /// to the CA and entries are independent. The real error is at least this.
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

    /// With counts by a known rule: of all samples of every tenth tile, about two thirds are within
    /// one standard error of the truth, and nearly all within two.
    #[test]
    fn the_error_says_how_far_a_sample_is_off() {
        let mut state = 1_u64;
        let mut random = || {
            // The generator of Knuth's MMIX, whose upper bits are random enough.
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
        // With half of them: 5,000 entries an hour, and one in 72.
        let error = growth.hourly_error(every, 0.5).unwrap();
        assert!((0.013..0.016).contains(&error), "{error}");
        assert_eq!(growth.hourly_error(every, 0.0), None);
    }
}
