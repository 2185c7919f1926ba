//! The formats of a drawn time: one line, a crontab line, a calendar expression, JSON.

use std::str::FromStr;

use chrono_tz::Tz;
use serde::Serialize;

use super::draw::{BestTime, Question};
use super::read::Ranking;
use crate::time::Timestamp;

/// The command in the crontab line, which is what most crontabs run; users of other clients replace
/// it. Without the option, certbot sleeps for up to eight minutes first and so misses the drawn
/// second.
const COMMAND: &str = "certbot renew --quiet --no-random-sleep-on-renew";

/// The warning for an hour with too few observations.
const UNKNOWN: &str = "too little has been observed to say how busy this hour is";

/// The format of a time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// A crontab line for a machine in the question's time zone.
    Cron,
    /// All fields, as JSON.
    #[default]
    Json,
    /// A calendar expression of systemd (`systemd.time(7)`), for `OnCalendar=`.
    Systemd,
    /// The instant as RFC 3339.
    Text,
}

impl Format {
    /// All formats by name.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("cron", Self::Cron),
        ("json", Self::Json),
        ("systemd", Self::Systemd),
        ("text", Self::Text),
    ];

    /// The media type of the output.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Cron | Self::Systemd | Self::Text => "text/plain; charset=utf-8",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::NAMES
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, format)| *format)
            .ok_or_else(|| {
                let names = Self::NAMES.map(|(name, _)| name).join(", ");
                format!("{text:?} is none of {names}")
            })
    }
}

/// The fields of the best time are repeated here, because serde would collect them in memory first
/// if they were flattened.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    ca: Option<&'a str>,
    at: Timestamp,
    cron: String,
    on_calendar: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    insufficient_data: Option<bool>,
    model_version: &'a str,
    valid_until: Timestamp,
    time_zone: &'static str,
    alternatives: Vec<Time>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Time {
    at: Timestamp,
    cron: String,
    on_calendar: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    insufficient_data: Option<bool>,
}

impl BestTime {
    /// Whether too little is known about the hour to call it quiet.
    #[must_use]
    pub fn is_unknown(&self, ranking: &Ranking) -> bool {
        ranking.slot_at(self.at).insufficient_data
    }

    /// One line, or a one-line JSON document, ending in a line feed. In a crontab, a comment line
    /// before it says if the hour is unknown. The instant and the calendar expression have no place
    /// for a comment.
    #[must_use]
    pub fn written(&self, format: Format, question: &Question, ranking: &Ranking) -> String {
        let zone = question.zone;
        let mut text = match format {
            Format::Cron if self.is_unknown(ranking) => {
                let line = Self::crontab_line(self.at, zone, COMMAND);
                format!("# {UNKNOWN}\n{line}")
            }
            Format::Cron => Self::crontab_line(self.at, zone, COMMAND),
            Format::Json => self.json(zone, ranking),
            Format::Systemd => Self::on_calendar(self.at, zone),
            Format::Text => self.at.to_string(),
        };
        text.push('\n');
        text
    }

    fn json(&self, zone: Tz, ranking: &Ranking) -> String {
        let time = |at: Timestamp| Time {
            at,
            cron: Self::cron(at, zone),
            on_calendar: Self::on_calendar(at, zone),
            insufficient_data: ranking.slot_at(at).insufficient_data.then_some(true),
        };
        let best = time(self.at);
        let document = Document {
            ca: ranking.ca.as_deref(),
            at: best.at,
            cron: best.cron,
            on_calendar: best.on_calendar,
            insufficient_data: best.insufficient_data,
            model_version: &ranking.model_version,
            valid_until: ranking.valid_until,
            time_zone: zone.name(),
            alternatives: self.alternatives.iter().map(|at| time(*at)).collect(),
        };
        // The keys are text, so this cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }
}
