//! The average day of the last cycle, with all rules.

use super::drawing::{Drawing, LEFT, RIGHT, class_of, mean_of};
use super::scale::Scale;
use crate::domain::math::number::{length, real_len};
use crate::domain::time::DAY;
use crate::outcome::{Outcome, RuleOutcome};

const HEIGHT: f64 = 200.0;
/// The distance between the labels at the right, which are 12 pixels high.
const BETWEEN_LABELS: f64 = 15.0;

/// Draws the day from `top` downwards; returns where it ends.
pub(super) fn draw(outcome: &Outcome, drawing: &mut Drawing, top: f64) -> f64 {
    let days: Vec<Vec<f64>> = outcome
        .rules
        .iter()
        .map(|rule| average(outcome, rule))
        .collect();
    let of_cycle = outcome.rules.iter().any(|rule| !rule.cycles.is_empty());
    let heading = if of_cycle {
        "The average day of the last cycle"
    } else {
        "The average day"
    };
    drawing.text("head", LEFT, top, heading);
    let highest = days.iter().flatten().copied().fold(outcome.floor, f64::max);
    let scale = Scale {
        most: 1.06 * highest,
        top: top + 20.0,
        bottom: top + 20.0 + HEIGHT,
    };
    drawing.axis(&scale);
    let mut labels = vec![Label {
        y: scale.at(outcome.floor),
        class: String::new(),
        text: format!("floor {:.2}", outcome.floor),
    }];
    for (rule, day) in outcome.rules.iter().zip(&days) {
        let class = class_of(rule.rule);
        let width = (RIGHT - LEFT) / real_len(day.len().max(1));
        // A slot is drawn as a step, because its load is that of all of its minutes.
        let points: Vec<(f64, f64)> = day
            .iter()
            .enumerate()
            .flat_map(|(slot, load)| {
                let (x, y) = (LEFT + width * real_len(slot), scale.at(*load));
                [(x, y), (x + width, y)]
            })
            .collect();
        drawing.path(&format!("load {class}"), &points);
        labels.extend(day.last().map(|load| Label {
            y: scale.at(*load),
            class: format!("label {class}"),
            text: class.to_owned(),
        }));
    }
    drawing.floor(&scale, outcome.floor);
    for label in apart(labels, scale.bottom) {
        drawing.text(&label.class, RIGHT + 6.0, label.y + 4.0, &label.text);
    }
    let y = scale.bottom + 18.0;
    for hour in (0..=24_u8).step_by(3) {
        let x = LEFT + (RIGHT - LEFT) * f64::from(hour) / 24.0;
        drawing.text("soft middle", x, y, &format!("{hour:02}:00"));
    }
    drawing.text(
        "soft middle",
        f64::midpoint(LEFT, RIGHT),
        y + 18.0,
        "time of day, UTC",
    );
    y + 36.0
}

struct Label {
    y: f64,
    class: String,
    text: String,
}

/// The mean of each slot of the day over the last cycle, or over the run if there is no cycle.
fn average(outcome: &Outcome, rule: &RuleOutcome) -> Vec<f64> {
    let slot_seconds = outcome.slot_seconds.max(1);
    let last = rule.cycles.last().map(|cycle| cycle.span);
    let skipped = last.map_or(0, |span| length((span.from - outcome.start) / slot_seconds));
    // A shortened run may continue after its last complete cycle.
    let taken = last.map_or(usize::MAX, |span| length(span.seconds() / slot_seconds));
    let of_day = length(DAY / slot_seconds).max(1);
    let first = length((outcome.start.second_of_day()) / slot_seconds);
    let mut loads: Vec<Vec<f64>> = vec![Vec::new(); of_day];
    for (slot, load) in rule.load.iter().enumerate().skip(skipped).take(taken) {
        loads[(first + slot) % of_day].push(*load);
    }
    loads
        .iter()
        .map(|loads| mean_of(loads, outcome.mean))
        .collect()
}

/// Moves labels apart so that they do not overlap, in their order from top to bottom, and none is below
/// `bottom`.
fn apart(mut labels: Vec<Label>, bottom: f64) -> Vec<Label> {
    labels.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut above = f64::NEG_INFINITY;
    for label in &mut labels {
        label.y = label.y.max(above + BETWEEN_LABELS);
        above = label.y;
    }
    let mut below = bottom + BETWEEN_LABELS;
    for label in labels.iter_mut().rev() {
        label.y = label.y.min(below - BETWEEN_LABELS);
        below = label.y;
    }
    labels
}
