//! A record of polls stored relative to the dates of its certificate, which saves six bits.

use super::record::{EPOCH, LAST_BITS, Polls};
use super::ticks::HALF_MINUTE;
use crate::time::Timestamp;

/// Half-minutes of 364 days are below 2^20.
const LAST_RELATIVE_BITS: u32 = 20;

impl Polls {
    /// The number of bits in [`Polls::relative_to`]'s result: 56.
    pub const RELATIVE_BITS: u32 = LAST_RELATIVE_BITS + 62 - LAST_BITS;

    /// The record with its last poll counted from `from`. `None` if the poll was earlier, or more
    /// than 364 days later.
    #[must_use]
    pub fn relative_to(self, from: Timestamp) -> Option<u64> {
        let packed = self.packed();
        let (last, rest) = (packed & ((1 << LAST_BITS) - 1), packed >> LAST_BITS);
        let relative = match last {
            0 => 0,
            last => u64::try_from(last.cast_signed() - units(from)).ok()?,
        };
        let fits = relative >> LAST_RELATIVE_BITS == 0 && (relative == 0) == (last == 0);
        fits.then_some(rest << LAST_RELATIVE_BITS | relative)
    }

    /// The record from the result of [`Polls::relative_to`] with the same `from`.
    #[must_use]
    pub fn from_relative(relative: u64, from: Timestamp) -> Self {
        let rest = relative >> LAST_RELATIVE_BITS;
        let last = match relative & ((1 << LAST_RELATIVE_BITS) - 1) {
            0 => 0,
            last => (last.cast_signed() + units(from)).max(0).unsigned_abs(),
        };
        Self::from_packed(rest << LAST_BITS | last)
    }
}

fn units(from: Timestamp) -> i64 {
    (from.unix() - EPOCH).div_euclid(HALF_MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, HOUR};

    #[test]
    fn a_record_is_read_back_given_its_dates() {
        let from = Timestamp::from_unix(1_795_219_213);
        let mut polls = Polls::default();
        assert_eq!(polls.relative_to(from), Some(0));
        for n in 1..1_000 {
            polls = polls.seen(from + n * (8 * HOUR + n % 60), 6 * HOUR);
            let relative = polls.relative_to(from).unwrap();
            assert_eq!(relative >> Polls::RELATIVE_BITS, 0);
            assert_eq!(Polls::from_relative(relative, from), polls);
            assert_eq!(polls.relative_to(from + 700 * DAY), None);
        }
        let late = Polls::default().seen(from + 365 * DAY, 6 * HOUR);
        assert_eq!(late.relative_to(from), None);
        let inherited = polls.inherited();
        let relative = inherited.relative_to(from).unwrap();
        assert_eq!(Polls::from_relative(relative, from), inherited);
    }
}
