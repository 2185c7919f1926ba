//! A history out of what a server keeps.

use super::design::LOOKED_AT_HOURS;
use super::history::{ClassHistory, History};
use crate::domain::ledger::Ledger;
use crate::domain::number::{length, real_len, signed};
use crate::domain::series::Series;
use crate::domain::series::minutes::DAY_MINUTES;
use crate::domain::series::reading::{DayReading, Reader};
use crate::domain::time::{DAY, HOUR, Span, Timestamp};

/// An hour is counted where three quarters of its minutes are; the rest is taken to be like them.
const LEAST_MINUTES: usize = 45;
/// Minutes in an hour.
const MINUTES: usize = 60;

impl History {
    /// What one CA's ledger and series have seen up to the last full hour. `prior` is the share
    /// that is taken to follow where nothing is known; what lies in `excluded` teaches nothing.
    #[must_use]
    pub fn seen(
        ledger: &Ledger,
        series: &Series,
        now: Timestamp,
        prior: f64,
        excluded: &[Span],
    ) -> Self {
        let end = now.slot(HOUR);
        let Some(begins) = ledger.begins().map(|begins| begins.slot(HOUR)) else {
            return Self::default();
        };
        let hours = length(end - begins);
        let looked_at = hours.saturating_sub(LOOKED_AT_HOURS)..hours;
        let span = |hour: usize| {
            let from = Timestamp::from_unix((begins + signed(hour)) * HOUR);
            Span {
                from,
                to: from + HOUR,
            }
        };
        let reader = Reader::new(series, now, HOUR, excluded);
        let mut day = None;
        let mut issued = vec![None; hours];
        let mut promised = vec![0.0; hours];
        for hour in looked_at {
            let at = span(hour);
            promised[hour] = ledger.promised(at, prior);
            let number = at.from.slot(DAY);
            let known = day.take().filter(|(known, _)| *known == number);
            let (_, reading) = day.insert(known.unwrap_or_else(|| (number, reader.read(number))));
            issued[hour] = counted(reading, length(at.from.second_of_day() / 60));
        }
        let unsteered = 1.0 - ledger.mean_follow(prior);
        let classes = ledger.classes().map(|(life_seconds, line)| {
            let issued: Vec<f64> = (0..hours).map(|hour| line.sum(span(hour))).collect();
            ClassHistory {
                life_seconds,
                unsteered: issued.iter().map(|issued| unsteered * issued).collect(),
                issued,
            }
        });
        Self {
            from: span(0).from,
            issued,
            promised,
            classes: classes.collect(),
        }
    }
}

/// The events of the hour that begins at a minute of a day, if enough of it was counted.
fn counted(reading: &DayReading, first: usize) -> Option<f64> {
    let minutes =
        (first..(first + MINUTES).min(DAY_MINUTES)).filter(|at| reading.known.contains(*at));
    let (known, sum) = minutes.fold((0, 0.0), |(known, sum), at| {
        (known + 1, sum + reading.volume[at])
    });
    (known >= LEAST_MINUTES).then(|| sum * real_len(MINUTES) / real_len(known))
}
