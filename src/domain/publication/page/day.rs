//! The day's ranking and failures, prepared for the template.

use crate::publication::published::{Published, Slot};

/// The width of an interval's drawing, in its own units.
const WIDTH: f64 = 180.0;
/// The margin at each end, for half of the dot.
const MARGIN: f64 = 4.0;
/// The height of the failure bars, in their own units.
const BAR_HEIGHT: f64 = 80.0;

/// A table with more rows than this is folded: a day of half hours.
const MOST_OPEN: usize = 48;

/// A row of the ranking.
pub(super) struct Row {
    pub(super) start: String,
    pub(super) end: String,
    pub(super) rank: Option<u32>,
    pub(super) load: Option<f64>,
    pub(super) index: Option<String>,
    pub(super) chance: String,
    pub(super) interval: Option<Interval>,
    pub(super) failures: Option<String>,
    pub(super) samples: u32,
    pub(super) coverage: String,
}

/// How certain a load is.
pub(super) struct Interval {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Where its ends and its middle are drawn.
    pub(super) left: String,
    pub(super) right: String,
    pub(super) dot: String,
}

/// The failures in one slot of the day.
pub(super) struct Bar {
    pub(super) start: String,
    /// `None` if no source reports failures.
    pub(super) share: Option<String>,
    pub(super) left: String,
    pub(super) top: String,
    pub(super) height: String,
}

/// The failures of the day.
pub(super) struct Failures {
    pub(super) bars: Vec<Bar>,
    pub(super) bar_width: String,
    /// The share that the full height represents.
    pub(super) full: String,
    /// A description in words.
    pub(super) words: String,
}

/// The rows of the ranking, quietest first and unknown ones last.
pub(super) fn rows(ranking: &Published) -> Vec<Row> {
    let widest = ranking.slots.iter().filter_map(|slot| slot.high);
    // The mean is always inside the drawing.
    let full = widest.fold(1.2, f64::max);
    let mut slots: Vec<&Slot> = ranking.slots.iter().collect();
    slots.sort_by_key(|slot| slot.rank.unwrap_or(u32::MAX));
    slots.into_iter().map(|slot| row(slot, full)).collect()
}

/// The label of the fold around the day's table. The table is folded if nothing in it is known, or
/// if it is too long to read. `unknown` is the number of unknown slots.
pub(super) fn fold(ranking: &Published, unknown: usize) -> Option<String> {
    let count = ranking.slots.len();
    if unknown == count {
        Some(format!("The {count} slots of the day, all unknown"))
    } else if count > MOST_OPEN {
        let minutes = ranking.slot_minutes;
        Some(format!("All {count} slots of {minutes} minutes"))
    } else {
        None
    }
}

/// Where the mean is drawn among the intervals.
pub(super) fn mean_at(ranking: &Published) -> String {
    let widest = ranking.slots.iter().filter_map(|slot| slot.high);
    place(1.0, widest.fold(1.2, f64::max))
}

/// The failures by slot of the day; `None` if no source reports any.
pub(super) fn failures(ranking: &Published) -> Option<Failures> {
    let slots = &ranking.slots;
    let known = || {
        slots
            .iter()
            .filter_map(|slot| Some((slot, slot.failure_rate?)))
    };
    let (worst, most) = known().reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let (_, least) = known().reduce(|a, b| if b.1 < a.1 { b } else { a })?;
    let unknown = slots.len() - known().count();
    // The scale starts at 1 %, so that tiny shares do not look large.
    let full = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
    let full = full.into_iter().find(|full| most <= *full).unwrap_or(1.0);
    let count = f64::from(u32::try_from(slots.len()).unwrap_or(u32::MAX));
    let step = 720.0 / count;
    let bars = slots.iter().enumerate().map(|(number, slot)| {
        let left = f64::from(u32::try_from(number).unwrap_or(0)) * step;
        let height = slot
            .failure_rate
            .map_or(BAR_HEIGHT, |share| share / full * BAR_HEIGHT);
        Bar {
            start: slot.start.clone(),
            share: slot.failure_rate.map(percent),
            left: format!("{left:.1}"),
            top: format!("{:.1}", BAR_HEIGHT - height),
            height: format!("{height:.1}"),
        }
    });
    let mut words = format!(
        "{} of attempts fail at worst, from {} UTC; {} at best.",
        percent(most),
        worst.start,
        percent(least)
    );
    if unknown > 0 {
        words.push_str(" Hatched hours are unknown.");
    }
    Some(Failures {
        bars: bars.collect(),
        bar_width: format!("{:.1}", (step - 2.0).max(step * 0.7)),
        full: format!("{:.0} %", full * 100.0),
        words,
    })
}

fn row(slot: &Slot, full: f64) -> Row {
    let interval = match (slot.low, slot.high, slot.coefficient) {
        (Some(low), Some(high), Some(load)) => Some(Interval {
            low,
            high,
            left: place(low, full),
            right: place(high, full),
            dot: place(load, full),
        }),
        _ => None,
    };
    Row {
        start: slot.start.clone(),
        end: slot.end.clone(),
        rank: slot.rank,
        load: slot.coefficient,
        index: slot.index.clone(),
        chance: format!("{:.2} %", slot.weight * 100.0),
        interval,
        failures: slot.failure_rate.map(percent),
        samples: slot.samples,
        coverage: format!("{:.0} %", slot.coverage * 100.0),
    }
}

fn place(load: f64, full: f64) -> String {
    format!(
        "{:.1}",
        (load / full)
            .clamp(0.0, 1.0)
            .mul_add(WIDTH - 2.0 * MARGIN, MARGIN)
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
