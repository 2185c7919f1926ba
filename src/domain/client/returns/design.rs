//! Which hours are used, and which certificates may have come back in them.

use super::history::{History, bursts, mean, nearest_hours, whole_hours};
use crate::certificate::own_rule_seconds;
use crate::math::number::{length, real, real_len, signed};
use crate::time::HOUR;

/// Eight weeks are looked at: each hour of the week eight times, and no older habits.
const LOOKED_AT_HOURS: usize = 8 * 168;
/// With fewer hours nothing is learned: a daily peak has been there at least once, and what comes
/// before and after it.
const LEAST_HOURS: usize = 36;
/// With less than a week looked at, days cannot be told from each other, for the load's level and
/// growth say the same: only moves by hours are tried then.
const DAYS_APART_HOURS: usize = 168;
/// Moves by up to half a day are by hours.
const HALF_A_DAY_HOURS: i64 = 12;
/// Lags up to this long before the own rule are tried …
const BEFORE_HOURS: i64 = 36;
/// … and up to this long after it: a client that runs once a day and fails twice.
const AFTER_HOURS: i64 = 72;
/// To each side of the end of life: who renews only when it is over.
const AROUND_END_HOURS: i64 = 24;
/// An hour is looked at when those who come back this long after their own rule were issued where
/// the registry was there: as long as is assumed, in the classes that make this part of issuance.
const COVERED_AFTER_HOURS: i64 = 24;
/// See [`COVERED_AFTER_HOURS`].
const COVERED: f64 = 0.8;
/// The first hours of a class stand for those before the registry began: four weeks of them.
const STAND_IN_HOURS: usize = 4 * 168;

/// What may have come back: those of a class, so many hours after their issuance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Candidate {
    /// The number of the class in the history.
    pub(super) class: usize,
    /// The lag.
    pub(super) lag_hours: usize,
}

/// Hours to be explained, and what may explain them.
#[derive(Debug)]
pub(super) struct Design {
    /// What came and was not promised.
    pub(super) observed: Vec<f64>,
    /// What came.
    pub(super) total: Vec<f64>,
    /// Which hours count.
    pub(super) counts: Vec<bool>,
    /// The load that nobody explains, and how it grows.
    pub(super) free: [Vec<f64>; 2],
    /// Around the own rules first, then around the ends of life.
    pub(super) candidates: Vec<Candidate>,
    /// How many of them are around the own rules.
    pub(super) first: usize,
    /// By class: what was issued, with what stands in before the first hour.
    issued: Vec<Issued>,
    /// Which hour of the history is the first one looked at.
    start: usize,
}

/// What was issued of one class, from so many hours before the history on.
#[derive(Debug)]
struct Issued {
    before: usize,
    amounts: Vec<f64>,
}

/// The lags that are tried for a class, in hours, both ends included.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: i64,
    to: i64,
}

impl Design {
    /// What a history allows to be asked; `None` where it is too short.
    pub(super) fn new(history: &History) -> Option<Self> {
        let hours = history.hours();
        let begins = history.begins()?;
        let covered = begins + length(covered_after_hours(history));
        let start = covered.max(hours.saturating_sub(LOOKED_AT_HOURS));
        if start + LEAST_HOURS > hours {
            return None;
        }
        let covered_from: Vec<usize> = history
            .classes
            .iter()
            .map(|class| begins + length(covered_lag(class.life_seconds)))
            .collect();
        let mut candidates = Vec::new();
        let mut first = 0;
        for ranges in [around_own_rule, around_end] {
            first = candidates.len();
            for (class, classes) in history.classes.iter().enumerate() {
                let range = ranges(classes.life_seconds);
                if covered_from[class] > start {
                    continue;
                }
                candidates.extend(range.lags().map(|lag| Candidate {
                    class,
                    lag_hours: length(lag),
                }));
            }
        }
        let longest = candidates
            .iter()
            .map(|candidate| candidate.lag_hours)
            .max()?;
        // Two lags of the rule of clients lie between hours, and one hour is cut off by rounding.
        let issued = history
            .classes
            .iter()
            .map(|class| Issued::new(&class.unsteered, begins, longest + 1))
            .collect();
        let looked_at = hours - start;
        let grows = (0..looked_at).map(|hour| real_len(hour) / real_len(looked_at));
        let total = (start..hours).map(|hour| history.issued[hour].unwrap_or(0.0));
        // Whoever comes back with a life so long that the registry does not know the certificate
        // before it had no window: that load is known.
        let blind = |hour: usize| -> f64 {
            let classes = history.classes.iter().zip(&covered_from);
            let blind = classes.filter(|(_, from)| **from > start);
            blind.map(|(class, _)| class.issued[hour]).sum()
        };
        let observed = (start..hours)
            .map(|hour| history.issued[hour].unwrap_or(0.0) - history.promised[hour] - blind(hour));
        let mut design = Self {
            observed: observed.collect(),
            total: total.collect(),
            counts: Vec::new(),
            free: [vec![1.0; looked_at], grows.collect()],
            candidates,
            first,
            issued,
            start,
        };
        design.counts = design.which_count(history);
        let enough = design.counts.iter().filter(|counts| **counts).count() >= LEAST_HOURS;
        enough.then_some(design)
    }

    /// Whether enough was seen to tell a day from the next.
    pub(super) fn tells_days_apart(&self) -> bool {
        self.observed.len() >= DAYS_APART_HOURS
    }

    /// By how many hours the rule of a life may be moved.
    pub(super) fn moves(&self, life_seconds: i64) -> impl Iterator<Item = i64> {
        let own = nearest_hours(own_rule_seconds(life_seconds));
        let days = self.tells_days_apart();
        let moves = around_own_rule(life_seconds)
            .lags()
            .map(move |lag| lag - own);
        moves.filter(move |hours| days || hours.abs() <= HALF_A_DAY_HOURS)
    }

    /// What was issued of a class so many hours before each hour looked at.
    pub(super) fn column(&self, candidate: Candidate) -> &[f64] {
        let issued = &self.issued[candidate.class];
        let from = self.start + issued.before - candidate.lag_hours;
        &issued.amounts[from..from + self.observed.len()]
    }

    /// What returns in each hour looked at, of a class that comes back by these lags, in seconds.
    pub(super) fn returning(
        &self,
        class: usize,
        lags: impl Iterator<Item = (i64, f64)>,
    ) -> Vec<f64> {
        let mut sum = vec![0.0; self.observed.len()];
        for (lag_seconds, share) in lags {
            let hours = real(lag_seconds) / real(HOUR);
            let lag_hours = whole_hours(hours);
            let later = hours - hours.floor();
            for (lag_hours, part) in [(lag_hours, 1.0 - later), (lag_hours + 1, later)] {
                if part <= 0.0 || lag_hours > self.start + self.issued[class].before {
                    continue;
                }
                let column = self.column(Candidate { class, lag_hours });
                for (sum, amount) in sum.iter_mut().zip(column) {
                    *sum += share * part * amount;
                }
            }
        }
        sum
    }

    /// Hours that were counted, in which there was no burst and to which none may have returned: a
    /// few hours of a burst would outweigh all others.
    fn which_count(&self, history: &History) -> Vec<bool> {
        let usual_load = history.usual_load();
        let issued = &history.issued[self.start..];
        let mut counts: Vec<bool> = issued.iter().map(Option::is_some).collect();
        for hour in bursts(&history.issued, usual_load) {
            if let Some(counts) = hour
                .checked_sub(self.start)
                .and_then(|at| counts.get_mut(at))
            {
                *counts = false;
            }
        }
        for class in &history.classes {
            let amounts: Vec<_> = class.unsteered.iter().copied().map(Some).collect();
            let ranges = [around_own_rule, around_end].map(|range| range(class.life_seconds));
            for burst in bursts(&amounts, usual_load) {
                for lag in ranges.iter().flat_map(|range| range.lags()) {
                    let at = signed(burst) + lag - signed(self.start);
                    if let Some(counts) = usize::try_from(at).ok().and_then(|at| counts.get_mut(at))
                    {
                        *counts = false;
                    }
                }
            }
        }
        counts
    }
}

impl Issued {
    fn new(unsteered: &[f64], begins: usize, before: usize) -> Self {
        let known = &unsteered[begins..];
        let stand_in = mean(&known[..known.len().min(STAND_IN_HOURS)]);
        let mut amounts = vec![stand_in; before + begins];
        amounts.extend(known);
        Self { before, amounts }
    }
}

impl Range {
    fn lags(self) -> impl Iterator<Item = i64> {
        self.from.max(1)..=self.to
    }
}

/// How many hours back a history has to go: those looked at, and the longest lag before them.
pub(crate) fn history_hours(life_seconds: i64) -> i64 {
    // One hour is cut off by rounding.
    signed(LOOKED_AT_HOURS) + around_end(life_seconds).to + 1
}

/// Hours after the registry began from which on the returns of most certificates are of
/// certificates that it knows.
fn covered_after_hours(history: &History) -> i64 {
    let mut classes: Vec<(f64, i64)> = history
        .classes
        .iter()
        .map(|class| {
            let issued: f64 = class.unsteered.iter().sum();
            (issued, covered_lag(class.life_seconds))
        })
        .collect();
    classes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let enough = COVERED * classes.iter().map(|(issued, _)| issued).sum::<f64>();
    let mut sum = 0.0;
    let mut longest = 0;
    for (issued, after) in classes {
        if sum < enough {
            longest = longest.max(after);
        }
        sum += issued;
    }
    longest
}

/// The longest lag in hours that is usual for a life.
fn covered_lag(life_seconds: i64) -> i64 {
    let own = own_rule_seconds(life_seconds);
    nearest_hours(own) + COVERED_AFTER_HOURS.min(nearest_hours(life_seconds - own))
}

/// Around the own rule, for short lives a third of it before and all that is left after.
fn around_own_rule(life_seconds: i64) -> Range {
    let own = own_rule_seconds(life_seconds);
    let hours = nearest_hours(own);
    Range {
        from: hours - BEFORE_HOURS.min(hours / 3),
        to: hours + AFTER_HOURS.min(nearest_hours(life_seconds - own)),
    }
}

/// Around the end of life, for short lives a sixth of it to each side; what lies around the own
/// rule is not repeated.
fn around_end(life_seconds: i64) -> Range {
    let end = nearest_hours(life_seconds);
    let aside = AROUND_END_HOURS.min(end / 6);
    Range {
        from: (end - aside).max(around_own_rule(life_seconds).to + 1),
        to: end + aside,
    }
}
