//! K: how long after issuance unsteered certificates return, learned from the load for each life
//! class. `docs/returns.md` has the mathematics and its sources.

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

/// A class keeps at most this many lags. That is twice what known clients need: the own rule, a day
/// later, and the end of life, each on both sides of an hour's boundary.
pub const MOST_LAGS: usize = 16;

/// A lag with a smaller share of its class is merged into its neighbour.
const SMALLEST_SHARE: f64 = 0.01;

/// Rounding errors may take a sum of shares this far above 1.
const ROUNDING: f64 = 1e-6;

/// The version of the stored form of [`Returns`].
const VERSION: u32 = 1;

/// When unsteered certificates return, for each life class. Classes without learned lags use the
/// clients' usual rule.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Returns {
    classes: BTreeMap<i64, Habit>,
}

/// What was learned about one life class.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Habit {
    /// The mean lifetime, in seconds, of the certificates used for learning.
    life_seconds: i64,
    /// The weight of the learned lags, 0 to 1; the usual rule has the rest.
    learned: f64,
    /// Seconds after the client's own rule, ascending, and the share that returns then.
    lags: Vec<(i64, f64)>,
}

/// The stored form of [`Returns`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    classes: BTreeMap<i64, Habit>,
}

/// Why stored returns cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReturnsError {
    /// A share is not between 0 and 1, or the sum exceeds 1.
    #[error("the shares of life class {0} are not between 0 and 1, 1 in all")]
    Shares(i64),
    /// Written by another version.
    #[error("layout {0} is not known: 1 is")]
    Version(u32),
}

impl Returns {
    /// When the unsteered certificates of a lifetime return: seconds after issuance, ascending, and
    /// the share. The shares sum to at most 1; the rest never returns.
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

    /// The life classes with learned lags, ascending.
    pub fn learned(&self) -> impl Iterator<Item = (i64, &Habit)> {
        self.classes.iter().map(|(class, habit)| (*class, habit))
    }
}

impl Habit {
    /// The mean lifetime, in seconds, of the certificates used for learning.
    #[must_use]
    pub const fn life_seconds(&self) -> i64 {
        self.life_seconds
    }

    /// The weight of the learned lags, 0 to 1; the usual rule has the rest.
    #[must_use]
    pub const fn learned(&self) -> f64 {
        self.learned
    }

    /// The share that returns at all, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.lags.iter().map(|(_, share)| share).sum()
    }

    /// The mean return, in seconds after the client's own rule.
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

/// The default before anything is learned. Half of the unsteered certificates return by their own
/// rule. The other half return a day later, or halfway to the end of life if the life is too short
/// for that. In seconds after the own rule.
fn usual(life_seconds: i64) -> [(i64, f64); 2] {
    let later = DAY.min((life_seconds - own_rule_seconds(life_seconds)) / 2);
    [(0, 0.5), (later, 0.5)]
}

/// Reduces the number of lags by merging the smallest into their nearest neighbours, and scales the
/// shares to sum to at most 1.
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
    // Only shares that are equal to the last digit are left.
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
