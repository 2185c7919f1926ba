//! The whole run: a strip for each rule, from the quietest to the busiest slot of each day.

use super::drawing::{Drawing, LEFT, RIGHT, class_of};
use super::scale::Scale;
use crate::domain::math::number::{length, real, real_len};
use crate::domain::time::DAY;
use crate::outcome::{Outcome, RuleOutcome};

const HEIGHT: f64 = 84.0;
const GAP: f64 = 34.0;

/// The most points of a strip: one for each of its 796 pixels.
const MOST_POINTS: usize = 796;

/// The strips show at least this multiple of the mean, because the daily peak of measured CAs is at
/// 2.4.
const ALWAYS_SHOWN: f64 = 3.0;

/// Draws the strips from `top` downwards; returns where they end.
pub(super) fn draw(outcome: &Outcome, drawing: &mut Drawing, top: f64) -> f64 {
    let slots = outcome.rules.iter().map(|rule| rule.load.len());
    let slots = slots.max().unwrap_or(0);
    let per_point = slots_per_point(outcome, slots);
    drawing.text("head", LEFT, top, heading(outcome, per_point));
    let most = highest_shown(outcome);
    let mut y = top + 48.0;
    name_lines(outcome, most, slots, y, drawing);
    for rule in &outcome.rules {
        let scale = Scale {
            most,
            top: y,
            bottom: y + HEIGHT,
        };
        let class = class_of(rule.rule);
        drawing.text(
            &format!("label {class}"),
            LEFT,
            y - 8.0,
            &format!("{class}: peak {:.2} × the mean", rule.peak_to_mean_all_days),
        );
        drawing.axis(&scale);
        envelope(outcome, rule, &scale, per_point, slots, drawing);
        drawing.floor(&scale, outcome.floor);
        for begin in beginnings(outcome, rule, slots) {
            drawing.line("cycle", (begin, scale.top), (begin, scale.bottom));
        }
        y += HEIGHT + GAP;
    }
    days(outcome, slots, drawing, y - GAP + 18.0)
}

/// The meaning of one point of the strips.
const fn heading(outcome: &Outcome, per_point: usize) -> &'static str {
    match (per_point, outcome.slot_seconds) {
        (1, _) => "The whole run",
        (_, 3_600) => "The whole run: from the quietest to the busiest hour of each day",
        _ => "The whole run: from the quietest to the busiest slot of each day",
    }
}

/// One slot if there is room for each, else whole days.
fn slots_per_point(outcome: &Outcome, slots: usize) -> usize {
    if slots <= MOST_POINTS {
        return 1;
    }
    let of_day = length(DAY / outcome.slot_seconds.max(1)).max(1);
    of_day * slots.div_ceil(of_day * MOST_POINTS)
}

/// The highest multiple of the mean that the strips show. A burst in the first cycle is the same under
/// every rule, and would make everything else flat, so it may leave the strip at the top.
fn highest_shown(outcome: &Outcome) -> f64 {
    let highest = |loads: &mut dyn Iterator<Item = f64>| loads.fold(0.0, f64::max) / outcome.mean;
    let of_all = highest(
        &mut outcome
            .rules
            .iter()
            .flat_map(|rule| rule.load.iter().copied()),
    );
    let later = highest(&mut outcome.rules.iter().flat_map(|rule| {
        let from = rule.cycles.first().map_or(outcome.start, |c| c.span.from);
        let first = length((from - outcome.start) / outcome.slot_seconds.max(1));
        rule.load.iter().skip(first).copied()
    }));
    1.06 * of_all.min(later.max(ALWAYS_SHOWN)).max(outcome.floor)
}

fn envelope(
    outcome: &Outcome,
    rule: &RuleOutcome,
    scale: &Scale,
    per_point: usize,
    slots: usize,
    drawing: &mut Drawing,
) {
    let class = class_of(rule.rule);
    let clip = format!("clip-{class}");
    let (top, width) = (scale.top - 2.0, RIGHT - LEFT);
    drawing.push(format_args!(
        r#"<clipPath id="{clip}"><rect x="{LEFT:.0}" y="{top:.1}" width="{width:.0}" height="{:.0}"/></clipPath>"#,
        HEIGHT + 2.0
    ));
    let x = |slot: f64| LEFT + width * slot / real_len(slots.max(1));
    let (mut upper, mut lower) = (Vec::new(), Vec::new());
    for (number, loads) in rule.load.chunks(per_point).enumerate() {
        let (from, to) = (number * per_point, number * per_point + loads.len());
        let middle = x(f64::midpoint(real_len(from), real_len(to)));
        let least = loads.iter().copied().fold(f64::INFINITY, f64::min);
        let most = loads.iter().copied().fold(0.0, f64::max);
        upper.push((middle, scale.at(most / outcome.mean)));
        lower.push((middle, scale.at(least / outcome.mean)));
    }
    if per_point > 1 {
        let around: Vec<(f64, f64)> = upper.iter().chain(lower.iter().rev()).copied().collect();
        drawing.clipped_path(&format!("area {class}"), &around, &clip);
    }
    drawing.clipped_path(&format!("busiest {class}"), &upper, &clip);
    let highest = rule.load.iter().copied().enumerate();
    let highest = highest.max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((slot, load)) = highest.filter(|(_, load)| load / outcome.mean > scale.most) {
        let text = format!("↑ {:.1}", load / outcome.mean);
        let x = x(real_len(slot)) + 6.0;
        drawing.text(&format!("label {class}"), x, scale.top + 12.0, &text);
    }
}

/// Labels of the broken lines, beside and above the first strip, which begins at `top`.
fn name_lines(outcome: &Outcome, most: f64, slots: usize, top: f64, drawing: &mut Drawing) {
    let scale = Scale {
        most,
        top,
        bottom: top + HEIGHT,
    };
    let floor = format!("floor {:.2}", outcome.floor);
    drawing.text("", RIGHT + 6.0, scale.at(outcome.floor) + 4.0, &floor);
    let begins = outcome
        .rules
        .first()
        .map(|rule| beginnings(outcome, rule, slots));
    for (number, begin) in begins.into_iter().flatten().enumerate() {
        drawing.text(
            "soft",
            begin + 4.0,
            top - 26.0,
            &format!("cycle {}", number + 2),
        );
    }
}

/// The positions at which the cycles after the first begin.
fn beginnings(outcome: &Outcome, rule: &RuleOutcome, slots: usize) -> Vec<f64> {
    let seconds = real_len(slots.max(1)) * real(outcome.slot_seconds);
    let after = |from| real(from - outcome.start) / seconds;
    let cycles = rule.cycles.iter();
    cycles
        .map(|cycle| LEFT + (RIGHT - LEFT) * after(cycle.span.from))
        .collect()
}

/// Draws the days below the strips; returns where that ends.
fn days(outcome: &Outcome, slots: usize, drawing: &mut Drawing, y: f64) -> f64 {
    let days = real_len(slots) * real(outcome.slot_seconds) / real(DAY);
    let steps = [
        1.0, 2.0, 5.0, 7.0, 10.0, 20.0, 30.0, 60.0, 100.0, 200.0, 500.0,
    ];
    let step = steps.into_iter().find(|step| days / step <= 8.0);
    let step = step.unwrap_or(1_000.0);
    let mut day = 0.0;
    while day <= days {
        let x = LEFT + (RIGHT - LEFT) * day / days.max(1.0);
        drawing.text("soft middle", x, y, &format!("{day}"));
        day += step;
    }
    let date = outcome.start.to_string();
    let date = date.split('T').next().unwrap_or_default();
    drawing.text(
        "soft middle",
        f64::midpoint(LEFT, RIGHT),
        y + 18.0,
        &format!("days since {date}"),
    );
    y + 18.0
}
