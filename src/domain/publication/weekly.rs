//! The weekly report, for people and for programs.

use askama::Template;
use serde::Serialize;

use super::page::{self, DAYS};
use super::palette;
use crate::math::number::{real, thousandths};
use crate::status::{IsoWeek, PublicIncident, PublicIncidentAt, Status, Weekly};
use crate::time::{HOUR, MINUTE, Timestamp};

const HOURS: usize = 24;

/// One CA's week.
#[derive(Clone, Debug)]
pub struct CaWeek {
    /// Its name.
    pub ca: String,
    /// For example `production`.
    pub environment: String,
    /// The figures of the week.
    pub weekly: Weekly,
}

/// The report of one week for all CAs.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which week.
    pub week: IsoWeek,
    /// When it was made.
    pub made_at: Timestamp,
    /// The CAs.
    pub cas: Vec<CaWeek>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    week: String,
    from: Timestamp,
    to: Timestamp,
    generated_at: Timestamp,
    is_over: bool,
    cas: Vec<Of<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Of<'a> {
    ca: &'a str,
    environment: &'a str,
    coverage: f64,
    peak: Option<Peak>,
    failure_rate: Option<f64>,
    change: Option<f64>,
    seconds: Seconds,
    incidents: &'a [PublicIncident],
    hours: Vec<Hour>,
}

#[derive(Serialize)]
struct Peak {
    start: Timestamp,
    load: f64,
}

#[derive(Serialize)]
struct Seconds {
    ok: i64,
    degraded: i64,
    down: i64,
    unknown: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hour {
    start: Timestamp,
    load: Option<f64>,
    failure_rate: Option<f64>,
}

#[derive(Template)]
#[template(path = "report.html", whitespace = "minimize")]
struct Page<'a> {
    policy: String,
    style: &'a str,
    report: &'a Report,
    from: Timestamp,
    to: Timestamp,
    is_over: bool,
    before: IsoWeek,
}

impl Report {
    /// As JSON. Contains only relative numbers, because a CA's volume is its own business.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let span = self.week.span();
        let document = Document {
            week: self.week.to_string(),
            from: span.from,
            to: span.to,
            generated_at: self.made_at,
            is_over: span.to <= self.made_at,
            cas: self.cas.iter().map(CaWeek::document).collect(),
        };
        // Numbers are finite and keys are text, so this cannot fail.
        let mut bytes = serde_json::to_vec(&document).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// As a page without scripts.
    #[must_use]
    pub fn html(&self) -> String {
        let span = self.week.span();
        let page = Page {
            policy: page::policy_of_style(),
            style: page::style(),
            report: self,
            from: span.from,
            to: span.to,
            is_over: span.to <= self.made_at,
            before: self.week.before(),
        };
        page.render().unwrap_or_default()
    }
}

impl Report {
    /// The incidents of a CA as of the time of the report.
    fn incidents_of<'r>(&self, of: &'r CaWeek) -> Vec<PublicIncidentAt<'r>> {
        let incidents = of.weekly.incidents.iter();
        incidents.map(|one| one.at(self.made_at)).collect()
    }
}

impl CaWeek {
    fn document(&self) -> Of<'_> {
        let from = self.weekly.week.span().from;
        let start = |hour: usize| from + crate::math::number::signed(hour) * HOUR;
        Of {
            ca: &self.ca,
            environment: &self.environment,
            coverage: thousandths(self.weekly.coverage),
            peak: self.weekly.peak.map(|(hour, load)| Peak {
                start: start(hour),
                load: thousandths(load),
            }),
            failure_rate: self.weekly.failure_rate.map(thousandths),
            change: self.weekly.change.map(thousandths),
            seconds: Seconds {
                ok: self.seconds(Status::Ok),
                degraded: self.seconds(Status::Degraded),
                down: self.seconds(Status::Down),
                unknown: self.seconds(Status::Unknown),
            },
            incidents: &self.weekly.incidents,
            hours: self
                .weekly
                .hours
                .iter()
                .enumerate()
                .map(|(hour, of)| Hour {
                    start: start(hour),
                    load: of.load.map(thousandths),
                    failure_rate: of.failure_rate.map(thousandths),
                })
                .collect(),
        }
    }

    fn seconds(&self, status: Status) -> i64 {
        let found = self.weekly.seconds.iter().find(|(of, _)| *of == status);
        found.map_or(0, |(_, seconds)| *seconds)
    }

    /// A summary of the week, one line per fact.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let weekly = &self.weekly;
        let mut lines = vec![format!(
            "Heard of {:.1} % of the week.",
            weekly.coverage * 100.0
        )];
        if let Some((hour, load)) = weekly.peak {
            let (_, day) = DAYS[hour / HOURS];
            lines.push(format!(
                "Busiest: {day} {:02}:00 UTC, {load:.2} of the mean.",
                hour % HOURS
            ));
        }
        lines.push(weekly.failure_rate.map_or_else(
            || "No attempts were reported.".to_owned(),
            |share| format!("{:.2} % of attempts failed.", share * 100.0),
        ));
        if let Some(change) = weekly.change {
            lines.push(format!(
                "{:+.1} % against the week before.",
                (change - 1.0) * 100.0
            ));
        }
        let spent = |status| duration(self.seconds(status));
        let coarse = if self.is_coarse() {
            ", because what was reported is too coarse or too little to tell"
        } else {
            ""
        };
        lines.push(format!(
            "Down for {}, degraded for {}, unknown for {}{coarse}.",
            spent(Status::Down),
            spent(Status::Degraded),
            spent(Status::Unknown)
        ));
        lines
    }

    /// Whether the state of the CA is unknown for at least an hour in which something was observed.
    /// Hourly counts do not show the state within the hour.
    fn is_coarse(&self) -> bool {
        let all = [Status::Ok, Status::Unknown, Status::Degraded, Status::Down];
        let judged: i64 = all.into_iter().map(|status| self.seconds(status)).sum();
        let unobserved = (1.0 - self.weekly.coverage) * real(judged);
        real(self.seconds(Status::Unknown)) > unobserved + real(HOUR)
    }

    /// The cells of the week's map: for each day its name, and for each hour a CSS class and a
    /// text.
    fn map(&self) -> Vec<(&'static str, Vec<(String, String)>)> {
        let cell = |load: Option<f64>| match load {
            Some(load) => (format!("l{}", palette::step(load)), format!("{load:.2}")),
            None => ("un".to_owned(), "?".to_owned()),
        };
        DAYS.iter()
            .zip(self.weekly.hours.chunks(HOURS))
            .map(|((_, day), hours)| (*day, hours.iter().map(|hour| cell(hour.load)).collect()))
            .collect()
    }
}

fn duration(seconds: i64) -> String {
    match seconds {
        0 => "no time".to_owned(),
        ..HOUR => format!("{} min", seconds / MINUTE),
        _ => format!("{} h {:02} min", seconds / HOUR, seconds % HOUR / MINUTE),
    }
}
