//! `offpeak model`: what was learned about a CA, from which data, and how good its forecasts would
//! have been.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::given::ca_or_only;
use super::global::Global;
use super::output::{Output, printed};
use crate::domain::demand::backtest::Errors;
use crate::domain::demand::breakdown::Slots;
use crate::domain::demand::profile::{Basis, DaySlot, Evidence};
use crate::domain::math::number::{signed, thousandths};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, clock};
use crate::engine::learn::model::Model;

/// Print what was learned of a CA's load, what it rests on, and how good its forecasts would have been
///
/// The back-test foretells each of the last weeks from what was known before it, and compares that with
/// what the same hour of the week before had: a ratio below 1 is worth something. docs/model.md explains
/// the model.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  offpeak model
  offpeak model --ca example --weeks 26 --json")]
pub(super) struct ModelArgs {
    /// The CA; may be left out if there is only one
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// Weeks of the back-test, 52 at most
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(i64).range(0..=52))]
    weeks: i64,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

impl ModelArgs {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let engine = global.engine().await?;
        let ca = ca_or_only(self.ca, &engine)?;
        let model = engine.model(&ca, self.weeks);
        let model = model.with_context(|| format!("no CA is named {ca}"))?;
        if self.json {
            let json = serde_json::to_string_pretty(&document(&ca, &model))?;
            printed(writeln!(output, "{json}"))?;
        } else {
            printed(write!(output, "{}", as_text(&ca, &model)))?;
        }
        Ok(Exit::Done)
    }
}

fn document(ca: &CaName, model: &Model) -> Value {
    let profile = &model.profile;
    let slots = profile.day.iter().enumerate();
    let sources = model.sources.iter().map(|reporting| {
        let same = |one: &&crate::domain::demand::series::trust::Disagreement| {
            (one.source, &one.vantage) == (reporting.source, &reporting.vantage)
        };
        json!({
            "source": reporting.source,
            "vantage": reporting.vantage,
            "dataThrough": reporting.through,
            "quarantinedUntil": reporting.quarantined_until,
            "disagreement": model.disagreements.iter().find(same).map(|one| one.share),
        })
    });
    json!({
        "ca": ca,
        "modelVersion": profile.version,
        "generatedAt": model.generated_at,
        "learnUntil": model.learn_until,
        "dataFrom": profile.data.map(|data| data.from),
        "dataThrough": profile.data.map(|data| data.to),
        "basis": profile.basis.map(Basis::name),
        "slotMinutes": profile.slot_seconds / MINUTE,
        "perHour": profile.volume.map(|volume| volume.per_hour),
        "unsteeredPerHour": profile.volume.map(|volume| volume.unsteered_per_hour),
        "level": profile.level,
        "syncIndex": profile.sync_index,
        "retries": {
            "nextDay": profile.carry_over.returning.next_day,
            "nextHour": profile.carry_over.returning.next_hour,
        },
        "sources": sources.collect::<Vec<Value>>(),
        "slots": slots.map(|(number, slot)| slot_document(profile.slot_seconds, number, slot)).collect::<Vec<Value>>(),
        "dimensions": parts(profile.slot_seconds, &profile.parts.dimensions),
        "endpoints": parts(profile.slot_seconds, &profile.parts.endpoints),
        "errorTypes": parts(profile.slot_seconds, &profile.parts.error_types),
        "backTest": {
            "weeks": model.backtest.weeks,
            "hours": errors(&model.backtest.hours),
            "days": errors(&model.backtest.days),
        },
    })
}

fn slot_document(slot_seconds: i64, number: usize, slot: &DaySlot) -> Value {
    json!({
        "start": clock(signed(number) * slot_seconds),
        "coefficient": slot.coefficient,
        "low": finite(slot.low),
        "high": finite(slot.high),
        "insufficientData": slot.evidence == Evidence::Insufficient,
        "samples": slot.samples,
        "coverage": slot.coverage,
        "failures": slot.failures.map(|rate| json!({
            "share": rate.share, "low": rate.low, "high": rate.high, "samples": rate.samples,
        })),
        "retryShare": slot.retry_share,
        "latencyMs": slot.latency_ms.map(thousandths),
        "latencyP95Ms": slot.latency_p95_ms.map(thousandths),
    })
}

/// For each label, the slots with data.
fn parts(slot_seconds: i64, labels: &BTreeMap<String, Slots>) -> Value {
    let of_label = |slots: &Slots| -> Vec<Value> {
        let as_text = slots.iter().enumerate();
        as_text
            .filter(|(_, slot)| slot.tried > 0.0 || slot.latency_p95_ms.is_some())
            .map(|(number, slot)| {
                json!({
                    "start": clock(signed(number) * slot_seconds),
                    "tried": thousandths(slot.tried),
                    "failed": thousandths(slot.failed),
                    "latencyP95Ms": slot.latency_p95_ms.map(thousandths),
                })
            })
            .collect()
    };
    let labels = labels.iter();
    labels
        .map(|(label, slots)| (label.clone(), of_label(slots).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn errors(of: &Errors) -> Value {
    if of.count == 0 {
        return Value::Null;
    }
    json!({
        "count": of.count,
        "mean": of.mean,
        "meanAbsoluteError": of.forecast,
        "lastWeek": of.last_week,
        "ratio": of.ratio(),
    })
}

/// The model as text.
fn as_text(ca: &CaName, model: &Model) -> String {
    let profile = &model.profile;
    let mut text = format!("{ca}: model {}\n", profile.version);
    let Some(data) = profile.data else {
        text.push_str("nothing is known of its load\n");
        return text;
    };
    let _ = writeln!(
        text,
        "of {} from {} to {}, {:.1} an hour recently",
        profile.basis.map_or("load", Basis::name),
        data.from,
        data.to,
        profile.mean_per_hour()
    );
    if let Some(until) = model.learn_until {
        let _ = writeln!(text, "pinned: it learns nothing after {until}");
    }
    for reporting in &model.sources {
        let vantage = reporting
            .vantage
            .as_deref()
            .map_or_else(String::new, |of| format!(" {of}"));
        let new = reporting
            .quarantined_until
            .map_or_else(String::new, |until| format!(", new until {until}"));
        let _ = writeln!(
            text,
            "source {}{vantage}, up to {}{new}",
            reporting.source, reporting.through
        );
    }
    let _ = writeln!(
        text,
        "\n{:>6}  {:>6}  {:>15}  {:>5}  {:>9}  {:>7}",
        "slot", "load", "95 % interval", "days", "failing", "retries"
    );
    for (number, slot) in profile.day.iter().enumerate() {
        let percent = |share: Option<f64>| {
            share.map_or_else(|| "-".to_owned(), |s| format!("{:.1} %", 100.0 * s))
        };
        let load = match slot.evidence {
            Evidence::Sufficient => format!("{:.3}", slot.coefficient),
            Evidence::Insufficient => "?".to_owned(),
        };
        let interval = match slot.evidence {
            Evidence::Sufficient => format!("{:.3} to {:.3}", slot.low, slot.high),
            Evidence::Insufficient => String::new(),
        };
        let _ = writeln!(
            text,
            "{:>6}  {load:>6}  {interval:>15}  {:>5}  {:>9}  {:>7}",
            clock(signed(number) * profile.slot_seconds),
            slot.samples,
            percent(slot.failures.map(|rate| rate.share)),
            percent(slot.retry_share)
        );
    }
    let _ = writeln!(
        text,
        "\nback-test of {} weeks, one week ahead:",
        model.backtest.weeks
    );
    for (name, of) in [
        ("hours", &model.backtest.hours),
        ("days", &model.backtest.days),
    ] {
        if let (true, Some(ratio)) = (of.count > 0, of.ratio()) {
            let _ = writeln!(
                text,
                "{} {name} of {:.1} on average: off by {:.1}; the week before by {:.1}; ratio {ratio:.2}",
                of.count, of.mean, of.forecast, of.last_week
            );
        }
    }
    text
}

/// JSON has no infinity, which means unknown here.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
