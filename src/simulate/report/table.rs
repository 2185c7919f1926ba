//! An outcome as a table, for people.

use std::fmt::Write as _;

use super::grouped;
use crate::domain::math::number::real;
use crate::outcome::{Outcome, RuleOutcome};

/// The output of `offpeak simulate`: a line for each rule, then the figures that only this scenario
/// has.
#[must_use]
pub fn to_table(outcome: &Outcome) -> String {
    let mut text = String::new();
    let hourly = outcome.mean * 3_600.0 / real(outcome.slot_seconds);
    push(
        &mut text,
        format_args!("{}: {}", outcome.scenario, outcome.description),
    );
    push(
        &mut text,
        format_args!(
            "seed {}, from {}, {} certificates an hour in the mean",
            outcome.seed,
            outcome.start,
            grouped(hourly)
        ),
    );
    push(
        &mut text,
        format_args!(
            "multiples of the mean load; no rule can do better than a peak of {:.3}\n",
            outcome.floor
        ),
    );
    for line in aligned(&rows(outcome)) {
        push(&mut text, format_args!("{line}"));
    }
    let notes: Vec<String> = outcome.rules.iter().flat_map(notes).collect();
    if !notes.is_empty() {
        push(&mut text, format_args!(""));
    }
    for note in notes {
        push(&mut text, format_args!("{note}"));
    }
    text
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

fn rows(outcome: &Outcome) -> Vec<Vec<String>> {
    let cycles = outcome.rules.iter().map(|rule| rule.cycles.len());
    let cycles = cycles.max().unwrap_or(0);
    let mut head: Vec<String> = [
        "rule",
        "peak",
        "/ floor",
        "without turns",
        "above none",
        "on days",
        "p99",
        "worst minute",
        "worst second",
        "extra issuance",
    ]
    .map(str::to_owned)
    .to_vec();
    head.extend((0..cycles).map(|cycle| format!("cycle {}", cycle + 2)));
    let rules = outcome.rules.iter().map(|rule| {
        let mut row = vec![
            rule.rule.name().to_owned(),
            format!("{:.3}", rule.peak_to_mean_all_days),
            format!("{:.3}", rule.peak_to_mean_all_days / outcome.floor),
            format!("{:.3}", rule.peak_to_mean),
            most_above(rule),
            days_above(rule),
            format!("{:.3}", rule.p99_to_mean),
            format!("{:.2}", rule.worst_minute_to_mean),
            format!("{:.2}", rule.worst_second_to_mean),
            format!("{:.2} %", 100.0 * rule.extra_issuance),
        ];
        let peaks = rule.cycles.iter();
        row.extend(peaks.map(|cycle| format!("{:.3}", cycle.peak_to_mean)));
        row.resize(head.len(), String::new());
        row
    });
    let mut all: Vec<Vec<String>> = rules.collect();
    all.insert(0, head);
    all
}

fn most_above(rule: &RuleOutcome) -> String {
    let beside = rule.beside_none.as_ref();
    beside.map_or_else(String::new, |beside| format!("{:+.3}", beside.most_above))
}

fn days_above(rule: &RuleOutcome) -> String {
    let beside = rule.beside_none.as_ref();
    beside.map_or_else(String::new, |beside| beside.days_above.to_string())
}

/// The first column aligned to the left, the others to the right.
pub(crate) fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max())
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<String> = cells
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn notes(rule: &RuleOutcome) -> Vec<String> {
    let name = rule.rule.name();
    let figures = rule.notes.iter();
    let mut notes: Vec<String> = figures
        .map(|note| format!("{name}: {}: {}", note.name, figure(note.value)))
        .collect();
    notes.extend(rule.with_chance.iter().map(|small| {
        format!(
            "{name}: peak of a CA of {} an hour, with its chance: {:.2}",
            small.per_hour, small.peak_to_mean
        )
    }));
    notes.extend(
        rule.echo_cycles
            .map(|cycles| format!("{name}: cycles until the echo has died down: {cycles}")),
    );
    notes
}

/// Large numbers are counts; small ones are shares or multiples.
fn figure(value: f64) -> String {
    if value >= 100.0 {
        grouped(value)
    } else {
        format!("{value:.3}")
    }
}
