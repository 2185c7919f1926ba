//! Why a fleet cannot be planned, which certificates miss, and the smallest changes that would
//! help.

use std::collections::HashMap;
use std::fmt;

use super::catalogue::{Catalogue, Scope};
use super::dispatch::{Hindrance, Outcome, Pace, dispatch};
use super::jobs::Jobs;
use super::terms::{MOST_SECONDS_AHEAD, Renewal, Terms};
use crate::math::number::{length, real, signed, whole};
use crate::time::{DAY, HOUR, Span, Timestamp};

/// The most accounts proposed; more would not be a small change.
const MOST_ACCOUNTS: i64 = 1_024;
/// The highest rate, or number of parallel orders, that is proposed.
const MOST_RATE: i64 = 1_000_000;

/// Deadlines are proposed in quarter hours, with this margin, because the owner uses them some
/// minutes later, when each limit starts anew.
const SPARE_SECONDS: i64 = HOUR / 4;

/// A fleet that cannot be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The limit that affects most of the missing certificates: the name of one in the catalogue,
    /// `allow`, `capacity`, `maxConcurrent`, `maxRate`, or `new-order requests`.
    pub limit: String,
    /// The same as a sentence.
    pub reason: String,
    /// The missing certificates, by index in the fleet, in order.
    pub missing: Vec<usize>,
    /// Changes of which each alone would be enough; empty if no simple one is.
    pub changes: Vec<Change>,
}

/// A change that would be enough, as small as possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// To allow all hours.
    AllHours,
    /// To spread the fleet evenly over this many accounts in place of each one.
    Accounts(i64),
    /// A later deadline of the plan. Certificates with an earlier deadline of their own keep that.
    Deadline(Timestamp),
    /// The number of parallel orders.
    MaxConcurrent(i64),
    /// Orders per minute.
    MaxRate(i64),
    /// A deadline of their own for each missing certificate, and for the plan if its deadline is
    /// earlier.
    OwnDeadlines(Timestamp),
    /// To name the replaced certificate in orders.
    Replaces,
}

/// Explains what prevents the plan.
pub(super) fn refuse(
    terms: &Terms<'_>,
    fleet: &[Renewal],
    missed: Vec<(usize, Hindrance)>,
) -> Refusal {
    let mut counts: HashMap<Hindrance, usize> = HashMap::new();
    for (_, hindrance) in &missed {
        *counts.entry(*hindrance).or_default() += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(hindrance, count)| (*count, hindrance.rank()));
    let hindrance = most.map_or(Hindrance::Hours, |(hindrance, _)| hindrance);
    let trial = Trial { terms, fleet };
    let changes = trial.changes(hindrance, &missed);
    Refusal {
        limit: hindrance.name(terms.limits),
        reason: hindrance.reason(terms),
        missing: missed.into_iter().map(|(at, _)| at).collect(),
        changes,
    }
}

struct Trial<'t> {
    terms: &'t Terms<'t>,
    fleet: &'t [Renewal],
}

impl Trial<'_> {
    fn changes(&self, hindrance: Hindrance, missed: &[(usize, Hindrance)]) -> Vec<Change> {
        let mut found = Vec::new();
        let terms = self.terms;
        match hindrance {
            Hindrance::Limit(limit) => {
                if terms.limits.limits[limit].scope == Scope::Account {
                    let with = |accounts| self.fits(terms, accounts);
                    found.extend(smallest(2, MOST_ACCOUNTS, with).map(Change::Accounts));
                }
                let all_by_ari = |at: &(usize, Hindrance)| self.fleet[at.0].by_ari;
                if terms.limits.ari_renewals_are_exempt && !missed.iter().all(all_by_ari) {
                    found.push(Change::Replaces);
                }
            }
            Hindrance::Rate => {
                let from = terms
                    .max_per_minute
                    .map_or(1, |rate| whole(rate.ceil()).max(1));
                let with = |rate: i64| {
                    let max_per_minute = Some(real(rate));
                    self.fits(
                        &Terms {
                            max_per_minute,
                            ..terms.clone()
                        },
                        1,
                    )
                };
                found.extend(smallest(from, MOST_RATE, with).map(Change::MaxRate));
            }
            Hindrance::UnderWay => {
                let from = terms.max_concurrent.map_or(1, i64::from);
                let with = |most: i64| {
                    let max_concurrent = u32::try_from(most).ok();
                    self.fits(
                        &Terms {
                            max_concurrent,
                            ..terms.clone()
                        },
                        1,
                    )
                };
                found.extend(smallest(from, MOST_RATE, with).map(Change::MaxConcurrent));
            }
            Hindrance::Hours if terms.demand.has_hours() => {
                let demand = &terms.demand.at_all_hours();
                if self.fits(
                    &Terms {
                        demand,
                        ..terms.clone()
                    },
                    1,
                ) {
                    found.push(Change::AllHours);
                }
            }
            Hindrance::Ceiling | Hindrance::Hours | Hindrance::NewOrders => {}
        }
        found.extend(self.later(missed));
        found
    }

    fn fits(&self, terms: &Terms<'_>, accounts: i64) -> bool {
        let accounts = length(accounts);
        let usual = terms.usual_window();
        let jobs = Jobs::new(self.fleet, terms.limits, usual, terms.seed, accounts);
        at_once(terms, &jobs).missed.is_empty()
    }

    /// A later deadline of the plan, in the form in which it would be read. If no such deadline
    /// helps, because some missing certificates have earlier ones of their own, a deadline for each
    /// of those.
    fn later(&self, missed: &[(usize, Hindrance)]) -> Option<Change> {
        let now = self.terms.now;
        let last = self.last_if_unbounded(missed)?;
        let quarters = |seconds: i64| (seconds + SPARE_SECONDS - 1).div_euclid(SPARE_SECONDS);
        let at = |quarter: i64| Timestamp::from_unix(quarter * SPARE_SECONDS);
        let first = quarters(last.unix() + 1 + SPARE_SECONDS);
        let furthest = (now + MOST_SECONDS_AHEAD).unix().div_euclid(SPARE_SECONDS);
        let whole = |quarter: i64| {
            let fleet: Vec<Renewal> = self
                .fleet
                .iter()
                .map(|renewal| Renewal {
                    window: Some(renewal.window_by(at(quarter), now)),
                    ..renewal.clone()
                })
                .collect();
            self.all_fit(&fleet)
        };
        let ahead = furthest - first;
        if ahead < 0 {
            return None;
        }
        // Counted from `first`, which is number 1.
        let does = |number: i64| whole(first + number - 1);
        // If the furthest deadline does not help, none does. One trial with a large fleet shows
        // this.
        let found = does(ahead + 1).then(|| smallest(1, ahead + 1, does));
        if let Some(number) = found.flatten() {
            return Some(Change::Deadline(at(first + number - 1)));
        }
        let own = at(first);
        let mut fleet = self.fleet.to_vec();
        for (place, _) in missed {
            let renewal = &mut fleet[*place];
            let from = renewal.earliest.unwrap_or(now + 1).max(now + 1);
            renewal.window = Some(Span { from, to: own });
        }
        self.all_fit(&fleet).then_some(Change::OwnDeadlines(own))
    }

    fn all_fit(&self, fleet: &[Renewal]) -> bool {
        let trial = Trial {
            terms: self.terms,
            fleet,
        };
        trial.fits(self.terms, 1)
    }

    /// When the last missing certificate would be done if there were no deadline.
    fn last_if_unbounded(&self, missed: &[(usize, Hindrance)]) -> Option<Timestamp> {
        let terms = self.terms;
        let usual = terms.usual_window();
        let mut jobs = Jobs::new(self.fleet, terms.limits, usual, terms.seed, 1);
        for (at, _) in missed {
            let window = &mut jobs.members[*at].window;
            *window = Span {
                from: window.from,
                to: terms.now + MOST_SECONDS_AHEAD,
            };
        }
        let outcome = at_once(terms, &jobs);
        let done = missed.iter().map(|(at, _)| outcome.times[*at]);
        let last = done.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        Some(last).filter(|_| outcome.missed.is_empty())
    }
}

fn at_once(terms: &Terms<'_>, jobs: &Jobs) -> Outcome {
    let pieces = terms
        .demand
        .pieces(jobs.ahead(terms), jobs.shortest_seconds());
    dispatch(terms, jobs, &pieces, Pace::AtOnce)
}

/// The smallest number from `from` to `to` for which `does` is true, if it stays true for larger
/// ones.
fn smallest(from: i64, to: i64, does: impl Fn(i64) -> bool) -> Option<i64> {
    let mut high = from.max(1);
    while !does(high) {
        if high >= to {
            return None;
        }
        high = (high * 2).min(to);
    }
    let mut low = from.max(1);
    while low < high {
        let middle = low.midpoint(high);
        if does(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

/// A span in words, as on the pages that list limits.
fn spoken(seconds: i64) -> String {
    match seconds {
        days if days % DAY == 0 => format!("{} d", days / DAY),
        hours if hours % HOUR == 0 => format!("{} h", hours / HOUR),
        seconds => format!("{seconds} s"),
    }
}

impl Hindrance {
    /// Which to name if several limits hold back the same number.
    const fn rank(self) -> usize {
        match self {
            Self::Hours => 0,
            Self::Ceiling => 1,
            Self::NewOrders => 2,
            Self::Rate => 3,
            Self::UnderWay => 4,
            Self::Limit(limit) => 5 + limit,
        }
    }

    fn name(self, limits: &Catalogue) -> String {
        match self {
            Self::Hours => "allow".to_owned(),
            Self::Ceiling => "capacity".to_owned(),
            Self::NewOrders => "new-order requests".to_owned(),
            Self::Rate => "maxRate".to_owned(),
            Self::UnderWay => "maxConcurrent".to_owned(),
            Self::Limit(limit) => limits.limits[limit].name.clone(),
        }
    }

    fn reason(self, terms: &Terms<'_>) -> String {
        match self {
            Self::Hours => "no hour of their time is both allowed and open".to_owned(),
            Self::Ceiling => "the hours ahead have no more room below the CA's ceiling".to_owned(),
            Self::NewOrders => {
                "the CA takes no more new-order requests a second of one address".to_owned()
            }
            Self::Rate => {
                let rate = terms.max_per_minute.unwrap_or_default();
                format!("maxRate lets {rate} a minute begin")
            }
            Self::UnderWay => {
                let (most, seconds) = (
                    terms.max_concurrent.unwrap_or_default(),
                    terms.order_seconds,
                );
                format!("maxConcurrent lets {most} of {seconds} s each be under way")
            }
            Self::Limit(at) => {
                let limit = &terms.limits.limits[at];
                let per = limit
                    .per_seconds
                    .map_or_else(String::new, |seconds| format!(" in {}", spoken(seconds)));
                format!(
                    "{} lets {} be{per} ({}, {})",
                    limit.name, limit.count, terms.limits.name, terms.limits.as_of
                )
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllHours => f.write_str("allow all hours"),
            Self::Accounts(1) => f.write_str("one account"),
            Self::Accounts(count) => write!(f, "spread the fleet over {count} accounts"),
            Self::Deadline(deadline) => write!(f, "a deadline of {deadline}"),
            Self::MaxConcurrent(most) => write!(f, "maxConcurrent {most}"),
            Self::MaxRate(rate) => write!(f, "maxRate {rate}"),
            Self::OwnDeadlines(deadline) => write!(
                f,
                "for each of those who miss a deadline of its own of {deadline}, and none before that for the plan"
            ),
            Self::Replaces => f.write_str(
                "orders that say which certificate they replace (ARI), which are exempt",
            ),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = signed(self.missing.len());
        let miss = if count == 1 {
            "1 certificate misses its deadline".to_owned()
        } else {
            format!("{count} certificates miss their deadline")
        };
        write!(f, "{miss}: {}", self.reason)?;
        for (at, change) in self.changes.iter().enumerate() {
            let before = if at == 0 {
                "; what would do: "
            } else {
                ", or "
            };
            write!(f, "{before}{change}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
