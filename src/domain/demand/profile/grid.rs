//! A series cut into slots: what the fit works on.

use chrono::{DateTime, Datelike};

use super::robust::count;
use crate::demand::series::minutes::{DAY_MINUTES, day_span, index};
use crate::demand::series::reading::{DayReading, Reader, WholeDay};
use crate::demand::series::sums::SlotSums;
use crate::time::{DAY, MINUTE, Span, Timestamp};

/// After 14 days a measurement counts half.
const HALF_LIFE_DAYS: f64 = 14.0;

/// Days that are fitted, the newest in which a slot is known: ten half-lives. What is older counts a thousandth of
/// the newest, at most.
const FITTED_DAYS: usize = 140;

/// So many days before and after a day make its level, together with it.
pub(super) const LEVEL_REACH: usize = 3;

/// Days that tell what is seen of late: two whole weeks, the half-life.
const DAYS_OF_LATE: i64 = 14;

/// A slot that was covered for less than half is not used: what was seen may be its one loud
/// minute.
pub(super) const LEAST_COVERAGE: f64 = 0.5;

/// What was measured, day by day.
#[derive(Debug)]
pub(super) struct Grid {
    /// Slots in a day.
    pub(super) slots: usize,
    /// Oldest first.
    pub(super) days: Vec<GridDay>,
    /// For each week, newest first, events in each minute of the hour, over hours known
    /// minute by minute from end to end.
    pub(super) minutes: Vec<[f64; 60]>,
    /// Days with such an hour.
    pub(super) minute_days: usize,
    /// The first and last instant that a source was alive.
    pub(super) data: Option<Span>,
    /// Minutes of the last two weeks that are known, those in which requests were told, and those in which
    /// they were estimated.
    pub(super) minutes_of_late: [u32; 3],
}

/// One day.
#[derive(Debug)]
pub(super) struct GridDay {
    pub(super) number: i64,
    /// Its place in the grid's days.
    pub(super) place: usize,
    /// 0 is Monday.
    pub(super) weekday: usize,
    pub(super) first_of_month: bool,
    /// 2^(−age / half-life).
    pub(super) weight: f64,
    /// Whether the fit looks at it: see [`Grid::fitted`].
    fitted: bool,
    pub(super) slots: Vec<GridSlot>,
    pub(super) whole: Option<WholeDay>,
    pub(super) sums: Vec<SlotSums>,
}

/// One slot of one day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GridSlot {
    /// Events, steered ones too, in the covered minutes.
    pub(super) total: f64,
    /// Events that nobody steered.
    pub(super) unsteered: f64,
    /// The share of the slot's minutes in which a source was alive.
    pub(super) coverage: f64,
    /// For how many events each one that was seen stands, where only a sample was; 0 where nothing is known.
    pub(super) stands_for: f64,
}

impl GridSlot {
    pub(super) fn is_known(self) -> bool {
        self.coverage >= LEAST_COVERAGE
    }

    /// So many events as were seen.
    pub(super) fn seen(self, events: f64) -> f64 {
        events / self.stands_for.max(1.0)
    }
}

impl GridDay {
    /// So many events as were seen.
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

    /// The days that the fit looks at, oldest first: for each slot the newest [`FITTED_DAYS`] in which it is known,
    /// as many that are known as a whole alone, and those around the firsts of months, which count alike however
    /// old they are.
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

/// Whether it is the first day of a month, UTC.
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
                // Over the slot, not the minute: an attempt and its certificate may be a minute
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
