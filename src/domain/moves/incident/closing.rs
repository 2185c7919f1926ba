//! When an incident closes the CA, and which hours must not be used for learning.

use super::record::{Incident, Kind};
use crate::policy::capacity::{CapacityRule, When, merged};
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// How long an outage of unknown end is assumed to last: the usual `Retry-After` of six hours, plus
/// 20 %. An opening sooner than that cannot be announced to every client in time; a later one can,
/// once it comes this close.
pub(super) const LOOK_AHEAD_SECONDS: i64 = 7 * HOUR + 12 * MINUTE;

/// Clients that failed in an outage return within this time. The slowest that do not wait for their
/// next window are daemons and cron jobs that retry hourly.
pub(super) const RETURN_SECONDS: i64 = HOUR;

/// Older hours have no influence on learning: the half-life is 14 days, and 400 days are kept.
const LONGEST_MEMORY_SECONDS: i64 = 400 * DAY;

impl Incident {
    /// When an outage ends, as assumed at `now`. If the end is known, that. Otherwise the estimate
    /// while it lies ahead; after that, as long again as it has lasted, and at least 7 h 12 min.
    /// `None` for other kinds.
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

    /// When an open outage that was planned at `planned_at` must be planned again: 7 h 12 min
    /// before its assumed end, so that a later opening can still be announced to every client, but
    /// at the earliest an hour later. `None` if the end is known.
    #[must_use]
    pub fn plan_again_at(&self, planned_at: Timestamp) -> Option<Timestamp> {
        let unknown = self.kind == Kind::Outage && self.is_active() && self.to.is_none();
        let end = self.assumed_end(planned_at)?;
        unknown.then(|| (end - LOOK_AHEAD_SECONDS).max(planned_at + HOUR))
    }

    /// The capacity rule of an incident in force: closed during a maintenance, and during an outage
    /// until its end, or its assumed end as of the incident's last change.
    #[must_use]
    pub fn closes(&self) -> Vec<CapacityRule> {
        if self.is_active() {
            self.closing_rule(self.updated_at).into_iter().collect()
        } else {
            Vec::new()
        }
    }

    /// The same rule whether or not the incident is in force. `None` if it closes nothing, or if
    /// its fields do not say when.
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

    /// The hours whose load is caused by this incident and says nothing about the usual week.
    fn spoilt(&self) -> Vec<Span> {
        let Some(opened_at) = self.opened_at else {
            return Vec::new();
        };
        match self.kind {
            // Its windows stay where they are when it is closed.
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
            // Returning clients distort the hour after the outage as well.
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

/// The spans that the profile must not learn from
/// ([`Profile::learn`](crate::demand::profile::Profile::learn)): outages and the hour after them,
/// in which failed clients return; maintenance; revocations and drills from opening to `renewBy`.
/// Merged, in order. Drafts exclude nothing.
#[must_use]
pub fn learning_excluded(incidents: &[Incident]) -> Vec<Span> {
    merged(incidents.iter().flat_map(Incident::spoilt).collect())
}
