//! `offpeak best-time`: a time to come, drawn from the newest publication, a file or a URL.

use std::io::Write as _;

use chrono_tz::Tz;
use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;

use super::exit::Exit;
use super::global::Global;
use super::output::Output;
use super::published::ranking_bytes;
use crate::config::{duration_seconds, zone};
use crate::domain::policy::ca::CaName;
use crate::domain::publication::best_time::{
    Chance, ClockSpan, Format, Question, Ranking, clock_spans,
};
use crate::engine::clock::{Clock as _, SystemClock};

/// Say when to come: a time drawn by the weights of the ranking, another with each call
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  offpeak best-time                                      one line, such as 2026-11-28T20:07:09Z
  offpeak best-time --allow 22:00-06:00 --tz Europe/Prague --format systemd
  offpeak best-time --ranking https://ari.example.com/ranking.json --seed \"$(hostname)\"")]
pub(super) struct BestTimeArgs {
    /// Draws from this ranking.json, - for standard input; default: the newest in the database
    #[arg(long, value_name = "URL|FILE")]
    ranking: Option<String>,
    /// The CA; default: the only one, or all production CAs together
    #[arg(long, value_name = "NAME", conflicts_with = "ranking")]
    ca: Option<CaName>,
    /// How far ahead the time may lie [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = within)]
    within: Option<i64>,
    /// The life of the certificate, such as 90d: how far ahead follows from it
    #[arg(long, value_name = "DURATION", value_parser = of_life, conflicts_with = "within")]
    lifetime: Option<i64>,
    /// The hours that suit you, such as 22:00-06:00; separate several by commas
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = spans)]
    allow: Option<Spans>,
    /// The time zone of --allow, and of a crontab line and a calendar expression, by its IANA name
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    tz: Tz,
    /// The same time for the same text with each call, such as a host's name
    #[arg(long, value_name = "TEXT", value_parser = Chance::seeded)]
    seed: Option<Chance>,
    /// The length of the slots in which --json tells alternatives apart, in minutes
    #[arg(long, value_name = "MINUTES", default_value = "60", value_parser = slot)]
    slot: i64,
    /// How the time is written
    #[arg(long, default_value = "text", value_parser = format())]
    format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// The value of an option that takes a list as one value.
#[derive(Clone, Debug)]
pub(super) struct Spans(pub(super) Vec<ClockSpan>);

impl BestTimeArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let bytes = ranking_bytes(self.ranking.as_deref(), self.ca.as_ref(), global).await?;
        let ranking = Ranking::parse(&bytes)?;
        let now = SystemClock.now();
        if now > ranking.valid_until {
            tracing::warn!(event = "ranking_stale", valid_until = %ranking.valid_until);
        }
        let usual = Question::default();
        let question = Question {
            within_seconds: self
                .within
                .or(self.lifetime)
                .unwrap_or(usual.within_seconds),
            allow: self.allow.map_or_else(Vec::new, |Spans(spans)| spans),
            zone: self.tz,
            slot_seconds: self.slot,
        };
        let chance = self.seed.unwrap_or_else(|| Chance::Fresh(rand::random()));
        let best = question.draw(&ranking, now, chance)?;
        if best.is_unknown(&ranking) {
            tracing::warn!(event = "hour_unknown", at = %best.at);
        }
        let format = if self.json { Format::Json } else { self.format };
        output.write_all(best.written(format, &question, &ranking).as_bytes())?;
        Ok(Exit::Done)
    }
}

fn within(text: &str) -> Result<i64, String> {
    Question::within(duration_seconds(text)?)
}

/// How far ahead to look, for a lifetime.
fn of_life(text: &str) -> Result<i64, String> {
    Question::within_for_life(duration_seconds(text)?)
}

pub(super) fn spans(text: &str) -> Result<Spans, String> {
    clock_spans(text).map(Spans)
}

fn slot(text: &str) -> Result<i64, String> {
    Question::slot_of_minutes(text).ok_or_else(|| "takes 5, 15, 30 or 60".to_owned())
}

fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::NAMES.map(|(name, _)| name))
        .try_map(|name| name.parse::<Format>())
}
