//! Chooses the hours to use, and the certificates that may have returned in them.

use super::history::{History, bursts, mean, nearest_hours, whole_hours};
use crate::certificate::own_rule_seconds;
use crate::math::number::{length, real, real_len, signed};
use crate::time::HOUR;

/// The last eight weeks are used: eight samples of each hour of the week, and no older habits.
const LOOKED_AT_HOURS: usize = 8 * 168;
/// With fewer hours nothing is learned: a daily peak must have occurred once, with the hours before
/// and after it.
const LEAST_HOURS: usize = 36;
/// With less than a week of hours, one day cannot be told from another, because the free terms
/// (level and growth of the load) fit equally well. Only moves by up to half a day are tried then.
const DAYS_APART_HOURS: usize = 168;
/// The largest move, in hours, that does not need a week of data.
const HALF_A_DAY_HOURS: i64 = 12;
/// Lags are tried from this long before the own rule …
const BEFORE_HOURS: i64 = 36;
/// … to this long after it: a client that runs once a day and fails twice.
const AFTER_HOURS: i64 = 72;
/// Lags are tried this long before and after the end of life, for clients that renew only then.
const AROUND_END_HOURS: i64 = 24;
/// An hour is used only if certificates that return this long after their own rule were issued
/// after the registry began. This applies to the classes that make up [`COVERED`] of issuance, and
/// is the longest lag that is assumed by default.
const COVERED_AFTER_HOURS: i64 = 24;
/// The share of issuance whose classes must be covered; see [`COVERED_AFTER_HOURS`].
const COVERED: f64 = 0.8;
/// The first four weeks of a class stand in for the time before the registry began.
const STAND_IN_HOURS: usize = 4 * 168;

/// Certificates that may have returned: those of one class, a fixed number of hours after issuance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Candidate {
    /// The index of the class in the history.
    pub(super) class: usize,
    /// Hours from issuance to return.
    pub(super) lag_hours: usize,
}

/// The hours to explain, and the columns that may explain them.
#[derive(Debug)]
pub(super) struct Design {
    /// The arrivals that were not promised.
    pub(super) observed: Vec<f64>,
    /// All arrivals.
    pub(super) total: Vec<f64>,
    /// Which hours are used.
    pub(super) counts: Vec<bool>,
    /// The free columns: load with no explanation, and its growth.
    pub(super) free: [Vec<f64>; 2],
    /// Candidates around the own rules come first, then those around the ends of life.
    pub(super) candidates: Vec<Candidate>,
    /// The number of candidates around the own rules.
    pub(super) first: usize,
    /// Issuance by class, with the stand-in before the first hour.
    issued: Vec<Issued>,
    /// The index in the history of the first hour used.
    start: usize,
}

/// Issuance of one class, starting some hours before the history.
#[derive(Debug)]
struct Issued {
    before: usize,
    amounts: Vec<f64>,
}

/// The lags to try for a class, in hours, both ends included.
#[derive(Clone, Copy, Debug)]
struct Range {
    from: i64,
    to: i64,
}

impl Design {
    /// The design for a history; `None` if the history is too short.
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
        // Two of the default lags lie between hours, and rounding cuts off one hour.
        let issued = history
            .classes
            .iter()
            .map(|class| Issued::new(&class.unsteered, begins, longest + 1))
            .collect();
        let looked_at = hours - start;
        let grows = (0..looked_at).map(|hour| real_len(hour) / real_len(looked_at));
        let total = (start..hours).map(|hour| history.issued[hour].unwrap_or(0.0));
        // A certificate whose life is so long that the registry does not know its predecessor had
        // no window when it returned, so this load is known.
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

    /// Whether there is enough data to tell one day from the next.
    pub(super) fn separates_days(&self) -> bool {
        self.observed.len() >= DAYS_APART_HOURS
    }

    /// The moves, in hours, to try for the rule of a lifetime.
    pub(super) fn moves(&self, life_seconds: i64) -> impl Iterator<Item = i64> {
        let own = nearest_hours(own_rule_seconds(life_seconds));
        let days = self.separates_days();
        let moves = around_own_rule(life_seconds)
            .lags()
            .map(move |lag| lag - own);
        moves.filter(move |hours| days || hours.abs() <= HALF_A_DAY_HOURS)
    }

    /// Issuance of a class, shifted by the candidate's lag, for each hour used.
    pub(super) fn column(&self, candidate: Candidate) -> &[f64] {
        let issued = &self.issued[candidate.class];
        let from = self.start + issued.before - candidate.lag_hours;
        &issued.amounts[from..from + self.observed.len()]
    }

    /// The returns in each hour used, if a class returns with these lags (in seconds).
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

    /// The hours that were counted, had no burst, and had no returns of a burst. Otherwise a few
    /// hours of a burst would outweigh all others.
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

/// The hours of history needed: those used, and the longest lag before them.
pub(crate) fn history_hours(life_seconds: i64) -> i64 {
    // Rounding cuts off one hour.
    signed(LOOKED_AT_HOURS) + around_end(life_seconds).to + 1
}

/// Hours after the registry began from which most returning certificates are known to it.
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

/// The longest lag, in hours, that is usual for a lifetime.
fn covered_lag(life_seconds: i64) -> i64 {
    let own = own_rule_seconds(life_seconds);
    nearest_hours(own) + COVERED_AFTER_HOURS.min(nearest_hours(life_seconds - own))
}

/// Lags around the own rule. For short lives: from a third of the life before it to the end of
/// life.
fn around_own_rule(life_seconds: i64) -> Range {
    let own = own_rule_seconds(life_seconds);
    let hours = nearest_hours(own);
    Range {
        from: hours - BEFORE_HOURS.min(hours / 3),
        to: hours + AFTER_HOURS.min(nearest_hours(life_seconds - own)),
    }
}

/// Lags around the end of life. For short lives: a sixth of the life to each side. Lags already
/// tried around the own rule are left out.
fn around_end(life_seconds: i64) -> Range {
    let end = nearest_hours(life_seconds);
    let aside = AROUND_END_HOURS.min(end / 6);
    Range {
        from: (end - aside).max(around_own_rule(life_seconds).to + 1),
        to: end + aside,
    }
}
