//! A series divided into slots: the input of the fit.

use chrono::{DateTime, Datelike};

use super::robust::count;
use crate::demand::series::minutes::{DAY_MINUTES, day_span, index};
use crate::demand::series::reading::{DayReading, Reader, WholeDay};
use crate::demand::series::sums::SlotSums;
use crate::time::{DAY, MINUTE, Span, Timestamp};

/// A measurement of this many days ago weighs half.
const HALF_LIFE_DAYS: f64 = 14.0;

/// The number of days that are fitted, the newest in which a slot is known: ten half-lives. Older days
/// would weigh at most a thousandth of the newest.
const FITTED_DAYS: usize = 140;

/// The level of a day is computed from this many days before and after it, and the day itself.
pub(super) const LEVEL_REACH: usize = 3;

/// How many days count as recent: two whole weeks, the half-life.
const DAYS_OF_LATE: i64 = 14;

/// A slot that was covered for less than this share is not used: what was counted may be a single busy
/// minute.
pub(super) const LEAST_COVERAGE: f64 = 0.5;

/// The measurements, day by day.
#[derive(Debug)]
pub(super) struct Grid {
    /// Slots in a day.
    pub(super) slots: usize,
    /// Oldest first.
    pub(super) days: Vec<GridDay>,
    /// For each week, newest first, the events in each minute of the hour, over hours in which every
    /// minute is known.
    pub(super) minutes: Vec<[f64; 60]>,
    /// The number of days with such an hour.
    pub(super) minute_days: usize,
    /// The first and last instant at which a source was alive.
    pub(super) data: Option<Span>,
    /// Of the recent days: the known minutes, those in which requests were reported, and those in which
    /// requests were estimated.
    pub(super) minutes_of_late: [u32; 3],
}

/// One day.
#[derive(Debug)]
pub(super) struct GridDay {
    pub(super) number: i64,
    /// Its index in the grid's days.
    pub(super) place: usize,
    /// 0 is Monday.
    pub(super) weekday: usize,
    pub(super) first_of_month: bool,
    /// 2^(−age / half-life).
    pub(super) weight: f64,
    /// Whether the fit uses it; see [`Grid::fitted`].
    fitted: bool,
    pub(super) slots: Vec<GridSlot>,
    pub(super) whole: Option<WholeDay>,
    pub(super) sums: Vec<SlotSums>,
}

/// One slot of one day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GridSlot {
    /// Events in the covered minutes, steered ones included.
    pub(super) total: f64,
    /// Unsteered events in the covered minutes.
    pub(super) unsteered: f64,
    /// The share of the slot's minutes in which a source was alive.
    pub(super) coverage: f64,
    /// How many events each counted event stands for, if only a sample was read; 0 if nothing is known.
    pub(super) stands_for: f64,
}

impl GridSlot {
    pub(super) fn is_known(self) -> bool {
        self.coverage >= LEAST_COVERAGE
    }

    /// How many of these events were counted.
    pub(super) fn seen(self, events: f64) -> f64 {
        events / self.stands_for.max(1.0)
    }
}

impl GridDay {
    /// How many of these events were counted.
    pub(super) fn seen(&self, events: f64) -> f64 {
        let stands_for = self.whole.map_or_else(
            || {
                let known = || self.slots.iter().filter(|slot| slot.is_known());
                known().map(|slot| slot.stands_for).sum::<f64>() / count(known().count().max(1))
            },
            |whole| whole.stands_for,
        );
        events / stands_for.max(1.0)
    }
}

impl Grid {
    pub(super) fn read(reader: &Reader<'_>, now: Timestamp, slot_seconds: i64) -> Self {
        let mut grid = Self {
            slots: index(DAY / slot_seconds),
            days: Vec::new(),
            minutes: Vec::new(),
            minute_days: 0,
            data: None,
            minutes_of_late: [0; 3],
        };
        let sources_of_failures = reader.sources_of_failures();
        for number in reader.days() {
            let reading = reader.read(number);
            grid.extend_data(number, &reading, now);
            if number >= now.slot(DAY) - DAYS_OF_LATE {
                let reported = [reading.known, reading.requests, reading.estimated];
                for (sum, minutes) in grid.minutes_of_late.iter_mut().zip(reported) {
                    *sum += minutes.count();
                }
            }
            grid.add_minutes(index((now.slot(DAY) - number) / 7), &reading);
            let middle = day_span(number).from + DAY / 2;
            grid.days.push(GridDay {
                number,
                place: grid.days.len(),
                weekday: index((number + 3).rem_euclid(7)),
                first_of_month: is_first_of_month(middle),
                weight: (-age_days(now, middle) / HALF_LIFE_DAYS).exp2(),
                fitted: false,
                slots: cut(&reading, grid.slots),
                whole: reading.whole,
                sums: reader.sums(number, &sources_of_failures),
            });
        }
        grid.choose_fitted();
        grid
    }

    /// The days that the fit uses, oldest first: for each slot the newest [`FITTED_DAYS`] in which it
    /// is known, as many days that are known only as a whole, and the days around firsts of months,
    /// which have the same weight however old they are.
    pub(super) fn fitted(&self) -> impl Iterator<Item = &GridDay> {
        self.days.iter().filter(|day| day.fitted)
    }

    fn choose_fitted(&mut self) {
        let mut chosen = vec![0; self.slots + 1];
        for day in self.days.iter_mut().rev() {
            let slots = day.slots.iter().map(|slot| slot.is_known());
            for (chosen, is_known) in chosen.iter_mut().zip(slots.chain([day.whole.is_some()])) {
                if is_known && *chosen < FITTED_DAYS {
                    *chosen += 1;
                    day.fitted = true;
                }
            }
        }
        for place in 0..self.days.len() {
            if self.days[place].first_of_month {
                let around =
                    place.saturating_sub(LEVEL_REACH)..self.days.len().min(place + LEVEL_REACH + 1);
                self.days[around]
                    .iter_mut()
                    .for_each(|day| day.fitted = true);
            }
        }
    }

    fn extend_data(&mut self, number: i64, reading: &DayReading, now: Timestamp) {
        let day = day_span(number);
        let minute = |m: usize| day.from + i64::try_from(m).unwrap_or(0) * MINUTE;
        let span = match (reading.known.first(), reading.known.last(), reading.whole) {
            (_, _, Some(_)) => Span {
                from: day.from,
                to: day.to.min(now),
            },
            (Some(first), Some(last), None) => Span {
                from: minute(first),
                to: minute(last + 1),
            },
            _ => return,
        };
        let from = self.data.map_or(span.from, |data| data.from);
        self.data = Some(Span { from, to: span.to });
    }

    fn add_minutes(&mut self, week: usize, reading: &DayReading) {
        let mut found = 0_usize;
        for hour in 0..24 {
            let minutes = hour * 60..(hour + 1) * 60;
            if !minutes.clone().all(|minute| reading.exact.contains(minute)) {
                continue;
            }
            found += 1;
            if self.minutes.len() <= week {
                self.minutes.resize(week + 1, [0.0; 60]);
            }
            for minute in minutes {
                let unsteered = reading.volume[minute] - reading.steered[minute];
                self.minutes[week][minute % 60] += unsteered.max(0.0);
            }
        }
        self.minute_days += usize::from(found > 0);
    }
}

/// Whether this instant is on the first day of a month, UTC.
pub(super) fn is_first_of_month(at: Timestamp) -> bool {
    DateTime::from_timestamp(at.unix(), 0).is_some_and(|time| time.day() == 1)
}

fn cut(reading: &DayReading, slots: usize) -> Vec<GridSlot> {
    let minutes = DAY_MINUTES / slots;
    (0..slots)
        .map(|slot| {
            let (mut known, mut total, mut steered, mut stands_for) = (0, 0.0, 0.0, 0.0);
            for minute in slot * minutes..(slot + 1) * minutes {
                if reading.known.contains(minute) {
                    known += 1;
                    total += reading.volume[minute];
                    steered += reading.steered[minute];
                    stands_for += reading.stands_for[minute];
                }
            }
            GridSlot {
                stands_for: stands_for / count(known.max(1)),
                total,
                // Per slot, not per minute, because an attempt and its certificate may be a minute
                // apart.
                unsteered: (total - steered).max(0.0),
                coverage: count(known) / count(minutes),
            }
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "seconds stay far below 2^52")]
fn age_days(now: Timestamp, at: Timestamp) -> f64 {
    (now - at).max(0) as f64 / DAY as f64
}
