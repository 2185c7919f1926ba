//! Hours in which a CA fails. Where only certificates are counted they look quiet, although they are
//! the worst to come in.

use super::shape::{Profile, Rate};
use crate::demand::series::reading::median;
use crate::time::Timestamp;

/// A slot fails if this share of the attempts that usually succeed fails in it: one of four. A CA that
/// fails half of all attempts all day (Let's Encrypt in 2024, because of its clients) has no such
/// slots; one that fails four of five between 01:00 and 02:00 has one.
const FAILING: f64 = 0.25;

impl Profile {
    /// Whether a slot of the day fails regularly: the whole 95 % interval of its failure rate is above
    /// the rate of the median slot plus a quarter of what succeeds there. No client is sent into it,
    /// however small its load looks. At most half of the slots fail.
    #[must_use]
    pub fn is_failing(&self, slot: usize) -> bool {
        let rate = |slot: usize| self.day.get(slot).and_then(|slot| slot.failures);
        let Some(Rate { low, .. }) = rate(slot) else {
            return false;
        };
        let known = (0..self.day.len()).filter_map(rate).map(|rate| rate.share);
        let usual = median(known.collect());
        low > usual + FAILING * (1.0 - usual)
    }

    /// For each slot of the day, whether it fails.
    #[must_use]
    pub fn failing(&self) -> Vec<bool> {
        (0..self.day.len())
            .map(|slot| self.is_failing(slot))
            .collect()
    }

    /// The same for the slot of the day that contains an instant.
    #[must_use]
    pub fn is_failing_at(&self, at: Timestamp) -> bool {
        usize::try_from(at.second_of_day() / self.slot_seconds)
            .is_ok_and(|slot| self.is_failing(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::series::Series;
    use crate::time::HOUR;

    fn profile(shares: [f64; 24]) -> Profile {
        let now = Timestamp::from_unix(1_794_787_200);
        let mut profile = Profile::learn(&Series::default(), now, HOUR, &[]);
        for (slot, share) in profile.day.iter_mut().zip(shares) {
            slot.failures = Some(Rate {
                share,
                low: share - 0.01,
                high: share + 0.01,
                samples: 1_000.0,
            });
        }
        profile
    }

    #[test]
    fn a_failing_hour_is_distinguished_from_a_failing_ca() {
        let mut shares = [0.02; 24];
        shares[1] = 0.8;
        shares[2] = 0.2;
        let failing = |shares| {
            let profile = profile(shares);
            (0..24)
                .filter(|slot| profile.is_failing(*slot))
                .collect::<Vec<_>>()
        };
        assert_eq!(failing(shares), [1]);
        assert_eq!(failing([0.5; 24]), [] as [usize; 0]);
        let mut half = [0.5; 24];
        half[7] = 0.7;
        assert_eq!(failing(half), [7]);
        // A single hour cannot be judged.
        let mut alone = profile([0.9; 24]);
        for slot in &mut alone.day[1..] {
            slot.failures = None;
        }
        assert!(!alone.is_failing(0) && !alone.is_failing(1));
        let at = |hour| Timestamp::from_unix(1_794_787_200 + hour * HOUR);
        assert!(profile(shares).is_failing_at(at(25)) && !profile(shares).is_failing_at(at(24)));
    }
}
