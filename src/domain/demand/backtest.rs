//! The accuracy that the forecast would have had: each of the last weeks is forecast from the data
//! before it, and compared with the same hours of the week before.
//!
//! That comparison is the seasonal naive forecast, which a useful forecast has to beat (R. J. Hyndman
//! and A. B. Koehler, Another look at measures of forecast accuracy, *International Journal of
//! Forecasting* 22 (2006) 679–688).

use std::collections::BTreeMap;

use super::profile::Profile;
use super::series::Series;
use super::series::minutes::{DAY_MINUTES, day_span};
use super::series::reading::Reader;
use crate::math::number::real_len;
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

/// The most weeks that are compared: a year.
pub const MOST_WEEKS: i64 = 52;

/// Mean absolute errors of forecasts one week ahead.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackTest {
    /// The number of weeks with anything to compare.
    pub weeks: usize,
    /// The errors of hours that are fully known, in that week and in the week before.
    pub hours: Errors,
    /// The errors of days that are known only as a whole.
    pub days: Errors,
}

/// The errors over some hours, or over some days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// How many hours or days were compared.
    pub count: usize,
    /// Their mean load, in events.
    pub mean: f64,
    /// The mean absolute error of the forecast, in events.
    pub forecast: f64,
    /// The mean absolute error of the seasonal naive forecast, in events.
    pub last_week: f64,
}

impl Errors {
    /// The forecast's error relative to that of the seasonal naive forecast; below 1 it is better.
    /// `None` if nothing was compared, or every week was exactly the same.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.last_week > 0.0).then(|| self.forecast / self.last_week)
    }

    fn add(&mut self, actual: f64, forecast: f64, last_week: f64) {
        self.count += 1;
        self.mean += actual;
        self.forecast += (forecast - actual).abs();
        self.last_week += (last_week - actual).abs();
    }

    fn finished(self) -> Self {
        let count = real_len(self.count.max(1));
        Self {
            count: self.count,
            mean: self.mean / count,
            forecast: self.forecast / count,
            last_week: self.last_week / count,
        }
    }
}

impl BackTest {
    /// Tests the last `weeks` weeks before `now`, at most [`MOST_WEEKS`]. Each is forecast by a profile
    /// learned before it began. Hours in `excluded`, those of incidents, are not compared.
    #[must_use]
    pub fn of(series: &Series, now: Timestamp, excluded: &[Span], weeks: i64) -> Self {
        let series = &series.judged_at(now);
        let actual = Actual::read(series, now, excluded);
        let mut test = Self::default();
        for week in (1..=weeks.clamp(0, MOST_WEEKS)).rev() {
            let from = now - week * WEEK;
            let before = (test.hours.count, test.days.count);
            let profile = Profile::learn(series, from, HOUR, excluded);
            if profile.volume.is_none() {
                continue;
            }
            let forecast = |at: Timestamp| profile.forecast_per_hour(at);
            for number in from.slot(HOUR)..(from + WEEK).slot(HOUR) {
                let of = |number| actual.hours.get(&number);
                if let (Some(actual), Some(last)) = (of(number), of(number - WEEK / HOUR)) {
                    let at = Timestamp::from_unix(number * HOUR);
                    test.hours.add(*actual, forecast(at), *last);
                }
            }
            for number in from.slot(DAY)..(from + WEEK).slot(DAY) {
                let of = |number| actual.days.get(&number);
                if let (Some(actual), Some(last)) = (of(number), of(number - WEEK / DAY)) {
                    let begin = day_span(number).from;
                    let day: f64 = (0..DAY / HOUR)
                        .map(|hour| forecast(begin + hour * HOUR))
                        .sum();
                    test.days.add(*actual, day, *last);
                }
            }
            test.weeks += usize::from(before != (test.hours.count, test.days.count));
        }
        test.hours = test.hours.finished();
        test.days = test.days.finished();
        test
    }
}

/// The load that was observed.
#[derive(Debug, Default)]
struct Actual {
    hours: BTreeMap<i64, f64>,
    days: BTreeMap<i64, f64>,
}

impl Actual {
    fn read(series: &Series, now: Timestamp, excluded: &[Span]) -> Self {
        let mut actual = Self::default();
        let reader = Reader::new(series, now, HOUR, excluded);
        let oldest = now.slot(DAY) - 7 * (MOST_WEEKS + 2);
        for day in reader.days().into_iter().filter(|day| *day >= oldest) {
            let reading = reader.read(day);
            if let Some(whole) = reading.whole {
                if whole.own && whole.coverage >= 1.0 {
                    actual.days.insert(day, whole.volume);
                }
                continue;
            }
            for hour in 0..24_u8 {
                let minutes = usize::from(hour) * 60..usize::from(hour) * 60 + 60;
                let known = |minute| minute < DAY_MINUTES && reading.known.contains(minute);
                if minutes.clone().all(known) {
                    let sum = minutes.map(|minute| reading.volume[minute]).sum();
                    actual
                        .hours
                        .insert(day * (DAY / HOUR) + i64::from(hour), sum);
                }
            }
        }
        actual
    }
}
