//! The report of an ISO week of one CA, from counts and incidents.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate, NaiveTime, Weekday};

use super::public_incident::PublicIncident;
use super::standing::{Evidence, Status};
use crate::demand::series::grains::{GRAIN_SECONDS, Grain};
use crate::math::number::{real, real_len, signed};
use crate::moves::incident::{Incident, State};
use crate::time::{HOUR, Span, Timestamp, WEEK};

const HOURS: usize = 168;

/// Grains in an hour.
const GRAINS: i64 = HOUR / GRAIN_SECONDS;

/// Nothing is stated for an hour with less data than this share, because most of it may be missing.
const LEAST_OBSERVED: f64 = 0.5;

/// A week of ISO 8601, starting on Monday 00:00 UTC. The first week of a year contains its first
/// Thursday.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct IsoWeek {
    year: i32,
    week: u32,
}

/// The text is not a week.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no week: write one of ISO 8601, such as 2026-W48")]
pub struct NoWeek(pub String);

/// A week of one CA.
#[derive(Clone, Debug, PartialEq)]
pub struct Weekly {
    /// The week.
    pub week: IsoWeek,
    /// The hours from Monday 00:00 UTC.
    pub hours: Vec<WeeklyHour>,
    /// The busiest hour with data for at least half of it: its index, and its load.
    pub peak: Option<(usize, f64)>,
    /// The share of the week until now with data, 0 to 1.
    pub coverage: f64,
    /// The share of failed attempts; `None` if there were none.
    pub failure_rate: Option<f64>,
    /// Attempts relative to the week before, over the hours with data in both; `None` if there are
    /// none.
    pub change: Option<f64>,
    /// Seconds in each status, until now.
    pub seconds: [(Status, i64); 4],
    /// Incidents that were open in the week.
    pub incidents: Vec<PublicIncident>,
    /// Whether the week is over.
    pub is_over: bool,
}

/// An hour of a week.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeeklyHour {
    /// Attempts, relative to the mean of the hours with data, extrapolated to whole hours; `None`
    /// if less than half of the hour has data.
    pub load: Option<f64>,
    /// The share of failed attempts; `None` if there were none.
    pub failure_rate: Option<f64>,
}

impl IsoWeek {
    /// The week that contains an instant.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        let date = chrono::DateTime::from_timestamp(at.unix(), 0).unwrap_or_default();
        let week = date.iso_week();
        Self {
            year: week.year(),
            week: week.week(),
        }
    }

    /// The week before.
    #[must_use]
    pub fn before(self) -> Self {
        Self::of(self.span().from - 1)
    }

    /// From its Monday to the next.
    #[must_use]
    pub fn span(self) -> Span {
        let monday = NaiveDate::from_isoywd_opt(self.year, self.week, Weekday::Mon);
        let monday = monday
            .unwrap_or_default()
            .and_time(NaiveTime::MIN)
            .and_utc();
        let from = Timestamp::from_unix(monday.timestamp());
        Span {
            from,
            to: from + WEEK,
        }
    }
}

impl FromStr for IsoWeek {
    type Err = NoWeek;

    fn from_str(text: &str) -> Result<Self, NoWeek> {
        let wrong = || NoWeek(text.to_owned());
        let (year, week) = text.split_once("-W").ok_or_else(wrong)?;
        let digits = |text: &str, count: usize| {
            text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit())
        };
        if !digits(year, 4) || !digits(week, 2) {
            return Err(wrong());
        }
        let (Ok(year), Ok(week)) = (year.parse(), week.parse()) else {
            return Err(wrong());
        };
        NaiveDate::from_isoywd_opt(year, week, Weekday::Mon).ok_or_else(wrong)?;
        Ok(Self { year, week })
    }
}

impl fmt::Display for IsoWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-W{:02}", self.year, self.week)
    }
}

impl Evidence<'_> {
    /// The report of a week, as far as it has passed.
    #[must_use]
    pub fn weekly(&self, week: IsoWeek) -> Weekly {
        let span = week.span();
        let until = span.to.min(self.now.max(span.from));
        let observed = self.hours(span.from, until);
        let before = self.hours(span.from - WEEK, until - WEEK);
        let sum = |of: fn(&ObservedHour) -> f64| observed.iter().flatten().map(of).sum::<f64>();
        let (tried, failed) = (
            sum(|hour| hour.counted.tried),
            sum(|hour| hour.counted.failed),
        );
        let whole: Vec<f64> = observed
            .iter()
            .flatten()
            .filter_map(ObservedHour::whole)
            .collect();
        let mean = whole.iter().sum::<f64>() / real_len(whole.len().max(1));
        let hours: Vec<WeeklyHour> = observed
            .iter()
            .map(|hour| weekly_hour(*hour, mean))
            .collect();
        let loads = hours
            .iter()
            .enumerate()
            .filter_map(|(at, hour)| Some((at, hour.load?)));
        let peak = loads.reduce(|best, next| if next.1 > best.1 { next } else { best });
        let seconds = self.seconds_by_status(span.from, until);
        let overlaps = |incident: &&Incident| {
            let opened = incident.opened_at.or(incident.from);
            let closed = incident.closed_at.unwrap_or(Timestamp::MAX);
            opened.is_some_and(|opened| opened < span.to && span.from < closed)
        };
        Weekly {
            week,
            peak: peak.filter(|(_, load)| *load > 0.0),
            coverage: self.coverage(span.from, until),
            failure_rate: (tried > 0.0).then(|| (failed / tried).min(1.0)),
            change: change(&observed, &before),
            seconds,
            incidents: self
                .incidents
                .iter()
                .filter(|incident| incident.state != State::Draft)
                .filter(overlaps)
                .map(PublicIncident::from)
                .collect(),
            is_over: span.to <= self.now,
            hours,
        }
    }

    /// The data of each hour from `from` on; `None` for hours without data, and from `until` on.
    fn hours(&self, from: Timestamp, until: Timestamp) -> Vec<Option<ObservedHour>> {
        let first = from.slot(HOUR);
        (first..first + signed(HOURS))
            .map(|number| {
                let counted = self.series.hour(number);
                let covered = (number * GRAINS..(number + 1) * GRAINS)
                    .filter(|at| self.series.grain(*at).covered)
                    .count();
                // In an hour with only hourly counts, or only registrations, no part is known to be
                // missing.
                let share = match covered {
                    0 => 1.0,
                    some => real_len(some) / real(GRAINS),
                };
                (number * HOUR < until.unix() && counted.is_reported)
                    .then_some(ObservedHour { counted, share })
            })
            .collect()
    }

    /// The share of five-minute grains with data. An hour with hourly counts counts as a whole.
    fn coverage(&self, from: Timestamp, until: Timestamp) -> f64 {
        let all = from.slot(GRAIN_SECONDS)..until.slot(GRAIN_SECONDS);
        let mut with_data = 0.0;
        for hour in from.slot(HOUR)..=until.slot(HOUR) {
            let grains = (hour * GRAINS).max(all.start)..((hour + 1) * GRAINS).min(all.end);
            let observed = grains
                .clone()
                .filter(|at| self.series.grain(*at).is_reported)
                .count();
            with_data += if observed == 0 && self.series.hour(hour).is_reported {
                real((grains.end - grains.start).max(0))
            } else {
                real_len(observed)
            };
        }
        with_data / real((all.end - all.start).max(1))
    }

    fn seconds_by_status(&self, from: Timestamp, until: Timestamp) -> [(Status, i64); 4] {
        let mut seconds =
            [Status::Ok, Status::Degraded, Status::Down, Status::Unknown].map(|status| (status, 0));
        let away = self.away(Span { from, to: until });
        for number in from.slot(GRAIN_SECONDS)..until.slot(GRAIN_SECONDS) {
            let (status, _) = self.at(number, &away);
            if let Some((_, sum)) = seconds.iter_mut().find(|(of, _)| *of == status) {
                *sum += GRAIN_SECONDS;
            }
        }
        seconds
    }
}

/// The data of an hour, and the share of the hour that it covers.
#[derive(Clone, Copy, Debug)]
struct ObservedHour {
    counted: Grain,
    /// 0 to 1.
    share: f64,
}

impl ObservedHour {
    /// Attempts in the whole hour, extrapolated from the observed part; `None` if too little was
    /// observed.
    fn whole(&self) -> Option<f64> {
        (self.share >= LEAST_OBSERVED).then(|| self.counted.tried / self.share)
    }
}

fn weekly_hour(hour: Option<ObservedHour>, mean: f64) -> WeeklyHour {
    let tried = hour.as_ref().and_then(ObservedHour::whole);
    WeeklyHour {
        load: tried.map(|tried| if mean > 0.0 { tried / mean } else { 0.0 }),
        failure_rate: hour
            .map(|hour| hour.counted)
            .filter(|hour| hour.tried > 0.0)
            .map(|hour| (hour.failed / hour.tried).min(1.0)),
    }
}

/// The ratio of attempts, over the hours with enough data in both weeks.
fn change(now: &[Option<ObservedHour>], before: &[Option<ObservedHour>]) -> Option<f64> {
    let whole = |hour: &Option<ObservedHour>| hour.as_ref().and_then(ObservedHour::whole);
    let both = now.iter().zip(before);
    let both = both.filter_map(|(now, before)| Some((whole(now)?, whole(before)?)));
    let (is, was) = both.fold((0.0, 0.0), |(is, was), both| (is + both.0, was + both.1));
    (was > 0.0).then(|| is / was)
}

#[cfg(test)]
mod tests;
