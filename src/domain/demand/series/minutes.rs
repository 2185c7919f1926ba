//! A set of the minutes of one day.

use crate::time::{DAY, MINUTE, Span, Timestamp};

/// Minutes in a day: 24 × 60.
pub(crate) const DAY_MINUTES: usize = 1_440;

/// 1,440 bits: 22.5 words.
const WORDS: usize = DAY_MINUTES.div_ceil(64);

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Minutes([u64; WORDS]);

impl Minutes {
    pub(crate) fn insert(&mut self, minute: usize) {
        self.0[minute / 64] |= 1 << (minute % 64);
    }

    /// Adds the minutes from `from` up to, not including, `to`.
    pub(crate) fn insert_range(&mut self, from: usize, to: usize) {
        let to = to.min(DAY_MINUTES);
        for (number, word) in self.0.iter_mut().enumerate() {
            let first = from.max(number * 64);
            let end = to.min(number * 64 + 64);
            if first < end {
                *word |= (u64::MAX >> (64 - (end - first))) << (first % 64);
            }
        }
    }

    pub(crate) const fn contains(&self, minute: usize) -> bool {
        self.0[minute / 64] >> (minute % 64) & 1 == 1
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    pub(crate) fn remove(&mut self, other: &Self) {
        for (word, less) in self.0.iter_mut().zip(other.0) {
            *word &= !less;
        }
    }

    /// The minutes that are in both sets.
    pub(crate) fn within(mut self, other: &Self) -> Self {
        for (word, both) in self.0.iter_mut().zip(other.0) {
            *word &= both;
        }
        self
    }

    /// The minutes that are not in the other set.
    pub(crate) fn without(mut self, other: &Self) -> Self {
        self.remove(other);
        self
    }

    /// The minutes in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        (0..DAY_MINUTES).filter(|minute| self.contains(*minute))
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn first(&self) -> Option<usize> {
        self.iter().next()
    }

    pub(crate) fn last(&self) -> Option<usize> {
        (0..DAY_MINUTES).rev().find(|minute| self.contains(*minute))
    }

    /// Adds the minutes of the day numbered `day` that overlap `span`.
    pub(crate) fn insert_span(&mut self, day: i64, span: Span) {
        let whole = day_span(day);
        let from = (span.from.max(whole.from) - whole.from).div_euclid(MINUTE);
        let to = (span.to.min(whole.to) - whole.from + MINUTE - 1).div_euclid(MINUTE);
        if span.overlap_seconds(whole) > 0 {
            self.insert_range(index(from), index(to));
        }
    }
}

/// The day with this number, counted from 1970.
pub(crate) fn day_span(day: i64) -> Span {
    let from = Timestamp::from_unix(day.saturating_mul(DAY));
    Span {
        from,
        to: from + DAY,
    }
}

/// A small number that is not negative, as an index.
pub(crate) fn index(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_its_minutes() {
        for (from, to) in [
            (0, 0),
            (0, 1),
            (5, 64),
            (63, 65),
            (64, 128),
            (1_000, 2_000),
            (9, 3),
        ] {
            let (mut range, mut single) = (Minutes::default(), Minutes::default());
            range.insert_range(from, to);
            (from..to.min(DAY_MINUTES)).for_each(|minute| single.insert(minute));
            assert_eq!(range, single, "{from}..{to}");
        }
    }

    #[test]
    fn a_span_touches_whole_minutes_of_its_day() {
        let mut minutes = Minutes::default();
        let midnight = Timestamp::from_unix(2 * DAY);
        minutes.insert_span(
            2,
            Span {
                from: midnight - 90,
                to: midnight + 61,
            },
        );
        assert_eq!(minutes.count(), 2);
        assert_eq!((minutes.first(), minutes.last()), (Some(0), Some(1)));
        minutes.insert_span(
            2,
            Span {
                from: midnight + DAY,
                to: midnight + 2 * DAY,
            },
        );
        assert_eq!(minutes.count(), 2);
        minutes.insert_range(0, DAY_MINUTES);
        assert_eq!(minutes.count(), 1_440);
    }
}
