//! The first sentence of the page: the quiet hours and the hours to avoid on every day, in UTC.

use super::published::{Published, Slot};
use crate::math::number::signed;
use crate::time::{MINUTE, clock};

/// An hour below this load, relative to the mean, is quiet: `low` or `very low` in the ranking.
const QUIET: f64 = 0.8;
/// An hour with at least this load is busy: `high` or `very high` in the ranking.
const BUSY: f64 = 1.2;
/// The largest number of spans in a sentence.
const MOST_SPANS: usize = 3;

/// A daily span in minutes from 00:00 UTC. It crosses midnight if `to` is not after `from`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Clock {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The quiet and busy spans of a day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Day {
    /// When to come, in chronological order.
    pub(super) quiet: Vec<Clock>,
    /// What to avoid, in chronological order.
    pub(super) busy: Vec<Clock>,
}

impl Day {
    /// Summarises the slots of a day.
    pub(super) fn of(ranking: &Published) -> Self {
        let slots = &ranking.slots;
        let open = |slot: &Slot| slot.weight > 0.0;
        let by_load = |slot: &Slot| slot.coefficient.is_some_and(|load| load < QUIET) && open(slot);
        let mut quiet: Vec<bool> = slots.iter().map(by_load).collect();
        if !quiet.contains(&true) {
            let named = |slot: &Slot| ranking.quietest.contains(&slot.start);
            quiet = slots.iter().map(named).collect();
        }
        let busy: Vec<bool> = slots
            .iter()
            .map(|slot| slot.coefficient.is_some_and(|load| load >= BUSY))
            .collect();
        let load = |number: usize| slots[number].coefficient.unwrap_or(1.0);
        Self {
            quiet: spans(&quiet, |number| -load(number)),
            busy: spans(&busy, load),
        }
    }

    /// The sentence, in UTC.
    pub(super) fn words(&self) -> String {
        match (&self.quiet[..], &self.busy[..]) {
            ([], _) => {
                "Too little has been seen yet to tell the hours apart: come at any time, at a \
                        minute and second of your own."
                    .to_owned()
            }
            (quiet, []) => format!(
                "Quietest each day from {} UTC; no hour stands out as busy.",
                listed(quiet)
            ),
            (quiet, busy) => format!(
                "Quietest each day from {} UTC; avoid {} UTC.",
                listed(quiet),
                listed(busy)
            ),
        }
    }
}

impl Clock {
    fn words(self) -> String {
        let of = |minute: usize| clock(signed(minute) * MINUTE);
        format!("{} to {}", of(self.from), of(self.to))
    }
}

/// Joins one, two or three spans in words.
fn listed(spans: &[Clock]) -> String {
    let words: Vec<String> = spans.iter().map(|span| span.words()).collect();
    match &words[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// The runs of marked slots around the clock, in chronological order. If there are too many, those
/// whose best slot is worth the most.
fn spans(marked: &[bool], worth: impl Fn(usize) -> f64) -> Vec<Clock> {
    let count = marked.len();
    let minutes = 1_440 / count.max(1);
    if marked.iter().all(|marked| *marked) {
        // A day of equal slots has no span.
        return Vec::new();
    }
    let begins = |at: &usize| marked[*at] && !marked[(at + count - 1) % count];
    let mut found: Vec<(f64, Clock)> = (0..count)
        .filter(begins)
        .map(|first| {
            let length = (0..count).take_while(|n| marked[(first + n) % count]);
            let slots: Vec<usize> = length.map(|n| (first + n) % count).collect();
            let best = slots
                .iter()
                .map(|slot| worth(*slot))
                .fold(f64::MIN, f64::max);
            let clock = Clock {
                from: first * minutes,
                to: (first + slots.len()) % count * minutes,
            };
            (best, clock)
        })
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.from.cmp(&b.1.from)));
    found.truncate(MOST_SPANS);
    let mut spans: Vec<Clock> = found.into_iter().map(|(_, clock)| clock).collect();
    spans.sort_by_key(|span| span.from);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: &[usize]) -> Vec<bool> {
        (0..24).map(|hour| hours.contains(&hour)).collect()
    }

    #[test]
    fn spans_run_over_midnight_and_the_best_three_are_kept() {
        let marked = at(&[23, 0, 1, 5, 9, 10, 14]);
        let worth = |hour: usize| {
            [0, 5, 9]
                .iter()
                .position(|best| *best == hour)
                .map_or(0.0, |_| 1.0)
        };
        let words: Vec<String> = spans(&marked, worth)
            .iter()
            .map(|span| span.words())
            .collect();
        assert_eq!(
            words,
            ["05:00 to 06:00", "09:00 to 11:00", "23:00 to 02:00"]
        );
    }

    #[test]
    fn a_day_without_a_difference_has_no_span() {
        assert_eq!(spans(&[true; 24], |_| 1.0), []);
        assert_eq!(spans(&[false; 24], |_| 1.0), []);
    }

    #[test]
    fn the_sentence_says_what_there_is() {
        let quiet = vec![Clock { from: 1_200, to: 0 }];
        let busy = vec![Clock { from: 60, to: 120 }, Clock { from: 480, to: 540 }];
        let day = |quiet: &[Clock], busy: &[Clock]| {
            let (quiet, busy) = (quiet.to_vec(), busy.to_vec());
            Day { quiet, busy }.words()
        };
        assert_eq!(
            day(&quiet, &busy),
            "Quietest each day from 20:00 to 00:00 UTC; avoid 01:00 to 02:00 and 08:00 to 09:00 UTC."
        );
        assert!(day(&quiet, &[]).ends_with("no hour stands out as busy."));
        assert!(day(&[], &[]).starts_with("Too little has been seen"));
    }
}
