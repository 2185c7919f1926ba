//! When an incident keeps the CA closed, and which hours it spoils for learning.

use super::record::{Incident, Kind};
use crate::policy::capacity::{CapacityRule, When, merged};
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// How far ahead an outage of unknown end is taken to last: the usual `Retry-After` of six hours
/// and a fifth. What opens sooner cannot be told to every client in time; all that opens later can
/// be, when it comes that near.
pub(super) const LOOK_AHEAD_SECONDS: i64 = 7 * HOUR + 12 * MINUTE;

/// Clients that failed come back within this after an outage: daemons and cron jobs that retry
/// every hour are the slowest that do not wait for their next window.
pub(super) const RETURN_SECONDS: i64 = HOUR;

/// Hours longer ago teach nothing anyway: the half-life is 14 days, and 400 is what is kept.
const LONGEST_MEMORY_SECONDS: i64 = 400 * DAY;

impl Incident {
    /// When an outage is taken to be over, as seen at `now`: when it was, where that is known; else
    /// the estimate, as long as it is ahead; else as long again as it has lasted, and
    /// 7 h 12 min at least. `None` for other kinds.
    #[must_use]
    pub fn assumed_end(&self, now: Timestamp) -> Option<Timestamp> {
        if self.kind != Kind::Outage {
            return None;
        }
        let from = self.from?;
        let estimate = self.estimated_end.filter(|end| *end > now);
        let guess = now + (now - from).max(LOOK_AHEAD_SECONDS);
        Some(self.to.or(estimate).unwrap_or(guess))
    }

    /// When an open outage that was planned at `planned_at` is to be planned again: when its
    /// assumed end is 7 h 12 min away, so that later openings can still be announced to every
    /// client, and an hour later at the soonest. `None` if the end is known.
    #[must_use]
    pub fn plan_again_at(&self, planned_at: Timestamp) -> Option<Timestamp> {
        let unknown = self.kind == Kind::Outage && self.is_active() && self.to.is_none();
        let end = self.assumed_end(planned_at)?;
        unknown.then(|| (end - LOOK_AHEAD_SECONDS).max(planned_at + HOUR))
    }

    /// The capacity that it takes while it is in force: none at all during a maintenance, and
    /// during an outage until it is over, or is taken to be as of when anything of it changed last.
    #[must_use]
    pub fn closes(&self) -> Vec<CapacityRule> {
        if self.is_active() {
            self.closing_rule(self.updated_at).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    /// The same whether it is in force or not; `None` where it closes nothing, or where its fields
    /// do not say when.
    pub(super) fn closing_rule(&self, now: Timestamp) -> Option<CapacityRule> {
        let when = match self.kind {
            Kind::Drill | Kind::Revocation => return None,
            Kind::Maintenance => self.hours().ok()??,
            Kind::Outage => When::Once(Span {
                from: self.from?,
                to: self.assumed_end(now)?,
            }),
        };
        Some(CapacityRule {
            when,
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        })
    }

    /// The hours in which load says something about this incident and nothing about the week.
    fn spoilt(&self) -> Vec<Span> {
        let Some(opened_at) = self.opened_at else {
            return Vec::new();
        };
        match self.kind {
            // Its windows stay where they are when it closes.
            Kind::Drill | Kind::Revocation => {
                let to = self.renew_by.unwrap_or(opened_at);
                vec![Span {
                    from: opened_at,
                    to,
                }]
            }
            Kind::Maintenance => {
                let to = self.closed_at.unwrap_or(opened_at + LONGEST_MEMORY_SECONDS);
                let range = Span {
                    from: opened_at,
                    to,
                };
                self.closing_rule(opened_at)
                    .map(|rule| rule.spans_within(range))
                    .unwrap_or_default()
            }
            // Those who come back make the hour after as odd as the hours in it.
            Kind::Outage => {
                let over = self.to.or(self.closed_at);
                let to = over.map_or(Timestamp::MAX, |to| to + RETURN_SECONDS);
                self.from
                    .map(|from| Span { from, to })
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// The spans of which the profile is to learn nothing
/// ([`Profile::learn`](crate::demand::profile::Profile::learn)): outages and the hour in which those
/// that failed come back, maintenance, and revocations and drills from their opening to `renewBy`;
/// merged, in order. Drafts spoil nothing.
#[must_use]
pub fn learning_excluded(incidents: &[Incident]) -> Vec<Span> {
    merged(incidents.iter().flat_map(Incident::spoilt).collect())
}
