//! The map of the week, 7 × 24 cells, prepared for the template.

use crate::math::number::thousandths;
use crate::publication::published::Published;

/// The days of the week, short and in full.
pub(in crate::publication) const DAYS: [(&str, &str); 7] = [
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
    /// The load relative to the mean, with three decimals; `None` if unknown.
    pub(super) load: Option<f64>,
    pub(super) mark: Option<Mark>,
}

/// Why a cell is marked.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Mark {
    Peak,
    Quietest,
}

impl Cell {
    /// The CSS classes of the cell.
    pub(super) fn class(&self) -> String {
        let colour = self
            .load
            .map_or_else(|| "un".to_owned(), |load| format!("l{}", shade(load)));
        match self.mark {
            Some(Mark::Peak) => format!("{colour} peak"),
            Some(Mark::Quietest) => format!("{colour} best"),
            None => colour,
        }
    }

    /// The number shown in it.
    pub(super) fn shown(&self) -> String {
        self.load
            .map_or_else(|| "?".to_owned(), |load| format!("{load:.2}"))
    }
}

/// The loads in the legend beside the map, with their words.
const LEGEND: [(f64, &str); 7] = [
    (0.0, "0"),
    (0.4, "0.4"),
    (0.7, "0.7"),
    (0.9, "0.9"),
    (1.1, "1.1"),
    (1.5, "1.5"),
    (2.0, "2+"),
];
/// Points of the colour scale, as (load, step of the palette). Most hours of most CAs are between
/// 0.6 and 1.2 of the mean, so these get half of the 20 steps, nearly two for each tenth. On a
/// light background the numbers are black up to step 12, and white from step 13 on, which means on
/// busy hours, from 1.2 on.
const SCALE: [(f64, f64); 4] = [(0.0, 0.0), (0.6, 2.0), (1.2, 12.5), (2.0, 20.0)];

/// The colours of the legend and their words.
pub(super) fn legend() -> Vec<(usize, &'static str)> {
    let of = |&(load, words): &(f64, &'static str)| (shade(load), words);
    LEGEND.iter().map(of).collect()
}

/// The step of the palette for a load relative to the mean; it rises with the load.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 20"
)]
fn shade(load: f64) -> usize {
    let mut step = 0.0_f64;
    for pair in SCALE.windows(2) {
        let [(from, low), (to, high)] = [pair[0], pair[1]];
        if load > from {
            step = ((load - from) / (to - from))
                .min(1.0)
                .mul_add(high - low, low);
        }
    }
    step.round() as usize
}

/// The rows of the map. The busiest and the quietest hour of the week are marked: the first of
/// equals, and none if all hours are equal.
pub(super) fn rows(ranking: &Published) -> Vec<Row> {
    let loads: Vec<Option<f64>> = ranking
        .week_by_hour()
        .into_iter()
        .map(|load| load.map(thousandths))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::palette::{Paper, STEPS, colour};

    #[test]
    fn hours_around_the_mean_differ_and_every_number_can_be_read() {
        let loads = || (0..=300).map(|hundredths| f64::from(hundredths) / 100.0);
        let shades: Vec<usize> = loads().map(shade).collect();
        assert!(shades.is_sorted(), "{shades:?}");
        assert_eq!((shades[0], shades[200], shades[300]), (0, 20, 20));
        // All colours are used and none is skipped.
        let mut used = shades.clone();
        used.dedup();
        assert_eq!(used, (0..STEPS).collect::<Vec<_>>());
        // With one step for each tenth of load, 0.7 to 1.1 would have only four of the twenty
        // steps.
        assert_eq!((shades[70], shades[110]), (4, 11));
        for paper in [Paper::Light, Paper::Dark] {
            let inks: Vec<_> = shades
                .iter()
                .map(|shade| {
                    let colour = colour(*shade, paper);
                    let contrast = colour.contrast(colour.ink());
                    assert!(contrast >= 4.5, "{paper:?} {shade} {contrast}");
                    colour.ink()
                })
                .collect();
            let flips = inks.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert_eq!(flips, 1, "{paper:?}");
            if matches!(paper, Paper::Light) {
                assert!(inks[119] != inks[120], "{:?}", &inks[119..=120]);
            }
        }
    }

    #[test]
    fn the_legend_runs_from_one_end_of_the_colours_to_the_other() {
        let legend = legend();
        assert_eq!(legend.first(), Some(&(0, "0")));
        assert_eq!(legend.last(), Some(&(20, "2+")));
        assert!(legend.is_sorted_by(|a, b| a.0 < b.0), "{legend:?}");
    }
}
