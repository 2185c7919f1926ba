//! The map of the week: 7 × 24 cells, as the template writes them.

use crate::publication::palette;
use crate::publication::published::Published;

const DAYS: [(&str, &str); 7] = [
    ("Mon", "Monday"),
    ("Tue", "Tuesday"),
    ("Wed", "Wednesday"),
    ("Thu", "Thursday"),
    ("Fri", "Friday"),
    ("Sat", "Saturday"),
    ("Sun", "Sunday"),
];
const HOURS: usize = 24;

/// A day of the map.
pub(super) struct Row {
    pub(super) short: &'static str,
    pub(super) long: &'static str,
    pub(super) cells: Vec<Cell>,
}

/// An hour of the map.
pub(super) struct Cell {
    /// Its load relative to the mean, three decimals; `None`: unknown.
    pub(super) load: Option<f64>,
    pub(super) mark: Option<Mark>,
}

/// What stands out.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Mark {
    Peak,
    Quietest,
}

impl Cell {
    /// The classes of its cell.
    pub(super) fn class(&self) -> String {
        let colour = self.load.map_or_else(
            || "un".to_owned(),
            |load| format!("l{}", palette::step(load)),
        );
        match self.mark {
            Some(Mark::Peak) => format!("{colour} peak"),
            Some(Mark::Quietest) => format!("{colour} best"),
            None => colour,
        }
    }

    /// Its number as it is shown.
    pub(super) fn shown(&self) -> String {
        self.load
            .map_or_else(|| "?".to_owned(), |load| format!("{load:.2}"))
    }
}

/// The rows of the map. The busiest and the quietest hour of the week are marked, the first of each
/// where several are alike, and none where all are.
pub(super) fn rows(ranking: &Published) -> Vec<Row> {
    let decimals = |load: f64| (load * 1_000.0).round() / 1_000.0;
    let loads: Vec<Option<f64>> = ranking
        .week_by_hour()
        .into_iter()
        .map(|load| load.map(decimals))
        .collect();
    let known = || {
        loads
            .iter()
            .enumerate()
            .filter_map(|(at, load)| Some((at, (*load)?)))
    };
    let pick = |better: fn(f64, f64) -> bool| {
        known().reduce(|best, next| if better(next.1, best.1) { next } else { best })
    };
    let (peak, best) = (pick(|a, b| a > b), pick(|a, b| a < b));
    let differ = matches!((peak, best), (Some(peak), Some(best)) if peak.1 > best.1);
    let mark = |at: usize| match (peak, best) {
        (Some((peak, _)), _) if differ && peak == at => Some(Mark::Peak),
        (_, Some((best, _))) if differ && best == at => Some(Mark::Quietest),
        _ => None,
    };
    DAYS.iter()
        .zip(loads.chunks(HOURS))
        .enumerate()
        .map(|(day, ((short, long), hours))| Row {
            short,
            long,
            cells: hours
                .iter()
                .enumerate()
                .map(|(hour, load)| Cell {
                    load: *load,
                    mark: mark(day * HOURS + hour),
                })
                .collect(),
        })
        .collect()
}
