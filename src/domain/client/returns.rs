//! K: how long after issuance those certificates come back that nobody steers (`docs/returns.md`),
//! learned for each life class from when the load came. The mathematics and its sources are in
//! `docs/returns.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::certificate::life_class;
use crate::certificate::own_rule_seconds;
use crate::math::number::real;
use crate::time::DAY;

mod design;
mod history;
mod learn;
mod moved;
mod robust;

pub(crate) use design::history_hours;
pub use history::{ClassHistory, History};

/// A class keeps this many lags at most: half of what clients do at all (own rule, a day later,
/// the end of life, each on both sides of an hour's boundary).
pub const MOST_LAGS: usize = 16;

/// A lag with less than this share of its class is counted to its neighbour.
const SMALLEST_SHARE: f64 = 0.01;

/// Rounding may take a sum of shares this far above 1.
const ROUNDING: f64 = 1e-6;

/// The layout of what [`Returns`] is stored as.
const VERSION: u32 = 1;

/// When those come back that nobody steers, for each life class; by the rule of clients where
/// nothing was learned.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Returns {
    classes: BTreeMap<i64, Habit>,
}

/// What was learned of one life class.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Habit {
    /// The mean life in seconds of what it was learned from.
    life_seconds: i64,
    /// How much of it is learned; the rest is the rule of clients.
    learned: f64,
    /// Seconds after the client's own rule, ascending, and the share that returns then.
    lags: Vec<(i64, f64)>,
}

/// What [`Returns`] is stored as.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    classes: BTreeMap<i64, Habit>,
}

/// Why stored returns cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReturnsError {
    /// Shares that are none, or more than all.
    #[error("the shares of life class {0} are not between 0 and 1, 1 in all")]
    Shares(i64),
    /// Written by another version.
    #[error("layout {0} is not known: 1 is")]
    Version(u32),
}

impl Returns {
    /// How many seconds after issuance what share of the unsteered certificates of a life comes
    /// back, ascending. The shares sum to 1 at most: the rest never returns.
    pub fn lags(&self, life_seconds: i64) -> impl Iterator<Item = (i64, f64)> + '_ {
        let own = own_rule_seconds(life_seconds);
        let habit = self.classes.get(&life_class(life_seconds));
        let learned = habit.map_or(&[][..], |habit| &habit.lags);
        let usual = usual(life_seconds)
            .into_iter()
            .filter(move |_| habit.is_none());
        learned
            .iter()
            .copied()
            .chain(usual)
            .map(move |(after, share)| ((own + after).max(0), share))
    }

    /// The life classes of which something was learned, ascending, and what.
    pub fn learned(&self) -> impl Iterator<Item = (i64, &Habit)> {
        self.classes.iter().map(|(class, habit)| (*class, habit))
    }
}

impl Habit {
    /// The mean life in seconds of the certificates that it was learned from.
    #[must_use]
    pub const fn life_seconds(&self) -> i64 {
        self.life_seconds
    }

    /// How much of it is learned, 0 to 1; the rest is the rule of clients.
    #[must_use]
    pub const fn learned(&self) -> f64 {
        self.learned
    }

    /// The share that returns at all, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.lags.iter().map(|(_, share)| share).sum()
    }

    /// How many seconds after their clients' own rule they return, in the mean.
    #[must_use]
    pub fn mean_delay_seconds(&self) -> f64 {
        let sum: f64 = self
            .lags
            .iter()
            .map(|(after, share)| real(*after) * share)
            .sum();
        sum / self.share().max(f64::MIN_POSITIVE)
    }

    fn is_sound(&self) -> bool {
        let shares = self
            .lags
            .iter()
            .all(|(_, share)| (0.0..=1.0).contains(share));
        shares && self.share() <= 1.0 + ROUNDING && (0.0..=1.0).contains(&self.learned)
    }
}

/// Until it is learned: half of those that do not follow return by their own rule, half one day
/// later, or halfway to the end of a life that is too short for that. Seconds after the own rule.
fn usual(life_seconds: i64) -> [(i64, f64); 2] {
    let later = DAY.min((life_seconds - own_rule_seconds(life_seconds)) / 2);
    [(0, 0.5), (later, 0.5)]
}

/// Few lags instead of many: the smallest are counted to their nearest neighbours. Held to a sum
/// of 1.
fn compact(mut lags: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
    lags.sort_by_key(|(after, _)| *after);
    lags.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 += later.1;
        }
        same
    });
    let sum: f64 = lags.iter().map(|(_, share)| share).sum();
    let mut by_share: Vec<f64> = lags.iter().map(|(_, share)| *share).collect();
    by_share.sort_by(|a, b| b.total_cmp(a));
    let floor = by_share.get(MOST_LAGS - 1).copied().unwrap_or(0.0);
    let (mut kept, small): (Vec<_>, Vec<_>) = lags
        .into_iter()
        .partition(|(_, share)| *share >= floor.max(SMALLEST_SHARE * sum));
    // Shares that are equal to the last digit.
    kept.truncate(MOST_LAGS);
    for (after, share) in small {
        if let Some(nearest) = kept.iter_mut().min_by_key(|(at, _)| (at - after).abs()) {
            nearest.1 += share;
        }
    }
    for (_, share) in &mut kept {
        *share /= sum.max(1.0);
    }
    kept
}

impl From<Returns> for Stored {
    fn from(returns: Returns) -> Self {
        Self {
            version: VERSION,
            classes: returns.classes,
        }
    }
}

impl TryFrom<Stored> for Returns {
    type Error = ReturnsError;

    fn try_from(stored: Stored) -> Result<Self, ReturnsError> {
        if stored.version != VERSION {
            return Err(ReturnsError::Version(stored.version));
        }
        match stored.classes.iter().find(|(_, habit)| !habit.is_sound()) {
            Some((class, _)) => Err(ReturnsError::Shares(*class)),
            None => Ok(Self {
                classes: stored.classes,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR;

    fn lags(returns: &Returns, life_seconds: i64) -> Vec<(i64, f64)> {
        returns.lags(life_seconds).collect()
    }

    #[test]
    fn until_learned_half_returns_by_its_own_rule_and_half_a_day_later() {
        let returns = Returns::default();
        let halves = |a, b| vec![(a, 0.5), (b, 0.5)];
        assert_eq!(lags(&returns, 90 * DAY), halves(60 * DAY, 61 * DAY));
        assert_eq!(lags(&returns, 160 * HOUR), halves(80 * HOUR, 104 * HOUR));
        assert_eq!(lags(&returns, 4 * HOUR), halves(2 * HOUR, 3 * HOUR));
    }

    #[test]
    fn lives_of_a_class_return_so_long_after_their_own_rule() {
        let habit = Habit {
            life_seconds: 90 * DAY,
            learned: 0.5,
            lags: vec![(HOUR, 0.25), (DAY, 0.5)],
        };
        assert!((habit.mean_delay_seconds() - 49.0 / 3.0 * 3_600.0).abs() < 1e-6);
        let returns = Returns {
            classes: [(life_class(90 * DAY), habit)].into(),
        };
        let want = vec![(60 * DAY + HOUR, 0.25), (61 * DAY, 0.5)];
        assert_eq!(lags(&returns, 90 * DAY), want);
        let want = vec![(60 * DAY - 2 * HOUR, 0.25), (61 * DAY - 3 * HOUR, 0.5)];
        assert_eq!(lags(&returns, 90 * DAY - 9 * HOUR / 2), want);
        assert_eq!(
            lags(&returns, 45 * DAY),
            lags(&Returns::default(), 45 * DAY)
        );
    }

    #[test]
    fn few_lags_are_kept_and_nothing_is_lost() {
        let many: Vec<(i64, f64)> = (0..40).map(|k| (k * HOUR, 0.02 + real(k) * 1e-4)).collect();
        let sum: f64 = many.iter().map(|(_, share)| share).sum();
        let few = compact(many);
        assert_eq!(few.len(), MOST_LAGS);
        assert!((few.iter().map(|(_, share)| share).sum::<f64>() - sum).abs() < 1e-9);
        let few = compact(vec![(0, 0.9), (7, 0.001), (10, 0.4), (10, 0.1)]);
        assert_eq!(
            few.iter().map(|(after, _)| *after).collect::<Vec<_>>(),
            [0, 10]
        );
        assert!((few[1].1 - 0.501 / 1.401).abs() < 1e-9);
    }

    #[test]
    fn what_is_stored_is_read_again_or_refused() {
        let text = r#"{"version":1,"classes":{"325":{"lifeSeconds":7776000,"learned":0.5,"lags":[[3600,0.5],[90000,0.25]]}}}"#;
        let returns: Returns = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&returns).unwrap(), text);
        for broken in [
            text.replace("\"version\":1", "\"version\":2"),
            text.replace("0.25", "0.51"),
            text.replace("0.25", "-0.25"),
            text.replace("\"learned\":0.5", "\"learned\":1.5"),
        ] {
            assert!(
                serde_json::from_str::<Returns>(&broken).is_err(),
                "{broken}"
            );
        }
    }
}
