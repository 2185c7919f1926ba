//! The status of a CA, computed from recent attempts, failures and incidents. People do not set it.

use std::fmt;

use serde::Serialize;

use crate::demand::observation::Source;
use crate::demand::series::Series;
use crate::demand::series::grains::{GRAIN_SECONDS, Grain};
use crate::moves::incident::{Incident, Kind, State};
use crate::policy::capacity::closed_within;
use crate::time::{DAY, MINUTE, Span, Timestamp};

pub use crate::demand::series::grains::ReportingSource;

/// The evaluated time: the present grain and the two before it, 10 to 15 minutes.
pub(super) const JUDGED_GRAINS: i64 = 3;
/// From this share of failures a CA is degraded. At one in ten, a client that tries once a day
/// fails on three days of a month.
const DEGRADED_SHARE: f64 = 0.1;
/// With fewer attempts, a share of a tenth means nothing: 20 attempts with one in ten failing have
/// two failures.
const FEWEST_DEGRADED: f64 = 20.0;
/// From this share a CA is down: what still succeeds is luck.
const DOWN_SHARE: f64 = 0.9;
/// Three failed attempts out of three in a quarter of an hour are not chance if nine in ten should
/// succeed: the probability is one in a thousand.
const FEWEST_DOWN: f64 = 3.0;
/// How far back the start of a status is searched.
const LOOK_BACK_SECONDS: i64 = 7 * DAY;

/// The status of a CA.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It works.
    Ok,
    /// Nothing was reported recently.
    Unknown,
    /// Many attempts fail, or a part of it is down.
    Degraded,
    /// Nothing or almost nothing succeeds.
    Down,
}

/// The status of a CA, and the reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// The status.
    pub status: Status,
    /// Since when; `None` if for more than a week, or longer than there is data.
    pub since: Option<Timestamp>,
    /// Why, in words.
    pub reason: String,
    /// The end of the last five minutes with a report, at most `now`; `None` if there was none
    /// within a week.
    pub data_through: Option<Timestamp>,
}

/// The data that the status of a CA is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The counts.
    pub series: &'a Series,
    /// Its incidents, including drafts and closed ones.
    pub incidents: &'a [Incident],
    /// The current time.
    pub now: Timestamp,
}

impl Evidence<'_> {
    /// The status. `before` is the previous result and its time. If it lies within the evaluated
    /// time and has the same status, its start is kept.
    #[must_use]
    pub fn standing(&self, before: Option<(Timestamp, &Standing)>) -> Standing {
        let away = self.away(Span {
            from: self.now - LOOK_BACK_SECONDS,
            to: self.now + 1,
        });
        let last = self.now.slot(GRAIN_SECONDS);
        let first = (self.now - LOOK_BACK_SECONDS).slot(GRAIN_SECONDS);
        let (status, reason) = self.at(last, &away);
        let recent = |at: Timestamp| self.now - at <= JUDGED_GRAINS * GRAIN_SECONDS;
        let since = match before {
            Some((at, before)) if recent(at) && before.status == status => before.since,
            _ => self.since(status, first, last, &away),
        };
        let last_reported = (first..=last)
            .rev()
            .find(|number| self.series.grain(*number).is_reported);
        // Exact to the minute, because sources report by the minute. Registrations say nothing
        // about the status.
        let sources = self.series.sources(self.now).into_iter();
        let reporting = sources.filter(|of| of.source != Source::Registrations);
        let through = reporting.map(|of| of.through).max();
        Standing {
            status,
            since,
            reason,
            data_through: last_reported.and(through),
        }
    }

    /// When this status began: the end of the last grain with another status.
    fn since(&self, status: Status, first: i64, last: i64, away: &[Away]) -> Option<Timestamp> {
        let other = (first..last)
            .rev()
            .find(|number| self.at(*number, away).0 != status)?;
        let begun = start_of(other + 1);
        // An incident begins at an exact second.
        let covering = away.iter().filter(|away| away.status == status);
        let exact = covering
            .map(|away| away.span.from)
            .filter(|from| from.slot(GRAIN_SECONDS) == other + 1);
        Some(exact.max().unwrap_or(begun).min(self.now))
    }

    /// The status in the grain with this number.
    pub(super) fn at(&self, number: i64, away: &[Away]) -> (Status, String) {
        let end = start_of(number + 1).min(self.now + 1);
        let incident = away
            .iter()
            .filter(|away| {
                away.span.from < end && start_of(number) < away.span.to && end <= away.span.to
            })
            .max_by_key(|away| away.status);
        if let Some(away) = incident {
            return (away.status, away.reason.clone());
        }
        let grains = (number + 1 - JUDGED_GRAINS..=number).map(|number| self.series.grain(number));
        judge(grains.fold(Grain::default(), Grain::plus))
    }

    /// The spans within `range` in which incidents determine the status.
    pub(super) fn away(&self, range: Span) -> Vec<Away> {
        self.incidents
            .iter()
            .filter(|incident| incident.state != State::Draft)
            .flat_map(|incident| away(incident, range))
            .collect()
    }
}

/// A span in which an incident determines the status.
#[derive(Debug)]
pub(super) struct Away {
    span: Span,
    status: Status,
    reason: String,
}

fn away(incident: &Incident, range: Span) -> Vec<Away> {
    let closed = incident.closed_at.unwrap_or(Timestamp::MAX);
    let spans = match incident.kind {
        Kind::Drill | Kind::Revocation => Vec::new(),
        Kind::Maintenance => closed_within(&incident.closes(), range),
        Kind::Outage => incident
            .from
            .map(|from| Span {
                from,
                to: incident.to.unwrap_or(Timestamp::MAX).min(closed),
            })
            .into_iter()
            .collect(),
    };
    let (status, words) = match (incident.kind, incident.state) {
        (Kind::Maintenance, _) => (Status::Down, "maintenance is under way"),
        (_, State::Partial) => (Status::Degraded, "an outage is partly over"),
        _ => (Status::Down, "an outage is open"),
    };
    spans
        .into_iter()
        .filter(|span| span.from < span.to)
        .map(|span| Away {
            span,
            status,
            reason: format!("{words}: {}", incident.name),
        })
        .collect()
}

fn judge(grain: Grain) -> (Status, String) {
    let minutes = JUDGED_GRAINS * GRAIN_SECONDS / MINUTE;
    let share = grain.failed / grain.tried;
    let words = format!(
        "{:.1} % of attempts failed in the last {minutes} minutes",
        100.0 * share.min(1.0)
    );
    if grain.tried >= FEWEST_DOWN && share >= DOWN_SHARE {
        (Status::Down, words)
    } else if grain.tried >= FEWEST_DEGRADED && share >= DEGRADED_SHARE {
        (Status::Degraded, words)
    } else if grain.tried > 0.0 && (grain.reports_attempts || grain.failed > 0.0) {
        (Status::Ok, words)
    } else if grain.tried > 0.0 {
        (
            Status::Ok,
            format!(
                "certificates were issued in the last {minutes} minutes; no source reports attempts"
            ),
        )
    } else if grain.is_reported {
        (
            Status::Ok,
            format!("it had no requests in the last {minutes} minutes"),
        )
    } else {
        (
            Status::Unknown,
            format!("no source has reported the last {minutes} minutes"),
        )
    }
}

pub(super) const fn start_of(grain: i64) -> Timestamp {
    Timestamp::from_unix(grain * GRAIN_SECONDS)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests;
