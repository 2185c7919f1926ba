//! The ratio of attempts to certificates, learned from sources that report both.

use super::minutes::{DAY_MINUTES, Minutes, index};
use super::ratio::{HOURS, Ratios, WEEK_HOURS};
use super::reading::{Reader, VOLUME_SOURCES, attempts_within, events};
use super::track::{Day, Track};
use super::trust::Age;
use crate::demand::observation::Kind;
use crate::math::number::real;
use crate::time::{DAY, HOUR, Timestamp};

/// The most days that are used, counted from the latest that has both: eight weeks, of which the oldest
/// weighs 1/16.
const MOST_DAYS: usize = 56;
/// A day this many days before the latest weighs half, as in the rest of the model.
const HALF_LIFE_DAYS: f64 = 14.0;

impl Reader<'_> {
    /// The ratios shown by the best source that reports both; `None` if there is none. Sources that are
    /// still in quarantine are not used.
    pub(super) fn learn_ratios(&self) -> Option<Ratios> {
        VOLUME_SOURCES.into_iter().find_map(|source| {
            let mut sums = vec![(0.0, 0.0); WEEK_HOURS];
            for track in self.tracks_that_are(source, Age::Known) {
                add(&mut sums, track, self);
            }
            Ratios::of(&sums)
        })
    }
}

/// Adds the hours in which a track reports both throughout.
fn add(sums: &mut [(f64, f64)], track: &Track, reader: &Reader<'_>) {
    let reports_both = |day: &Day| day.reports(Kind::Attempt) && day.reports(Kind::Issued);
    let days = track.days.iter().rev();
    let days = days.filter(|(number, day)| **number <= reader.now.slot(DAY) && reports_both(day));
    let mut newest = None;
    for (number, day) in days.take(MOST_DAYS) {
        let Some((first, last)) = attempts_within(track, day, *number) else {
            continue;
        };
        let mut known = day.covered();
        let mut untaught = Minutes::default();
        untaught.insert_range(0, DAY_MINUTES);
        untaught.remove(&reader.usable(*number));
        known.remove(&untaught);
        // Days count from the newest one with data: a ratio learned last month is not less certain
        // today.
        let age_days = real(*newest.get_or_insert(*number) - *number);
        let weight = (-age_days / HALF_LIFE_DAYS).exp2();
        let of_week = Timestamp::from_unix(number * DAY).second_of_week() / HOUR;
        for hour in 0..HOURS {
            let mut minutes = hour * 60..(hour + 1) * 60;
            if !minutes.all(|minute| known.contains(minute) && (first..=last).contains(&minute)) {
                continue;
            }
            let sum = &mut sums[(index(of_week) + hour) % WEEK_HOURS];
            sum.0 += weight * events(day.units_in_hour(Kind::Attempt, hour));
            sum.1 += weight * events(day.units_in_hour(Kind::Issued, hour));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::observation::{Observation, Source};
    use crate::demand::series::Series;

    /// 2026-11-16T00:00:00Z, a Monday.
    const NOW: Timestamp = Timestamp::from_unix(1_794_787_200);

    fn ratios(series: &Series) -> Option<Ratios> {
        Reader::new(series, NOW, HOUR, &[]).learn_ratios()
    }

    /// Four weeks of a log with this many certificates an hour. At 01:00, half of all attempts fail.
    fn both(issued: u64) -> Series {
        let mut series = Series::default();
        for hour in -28 * 24..0 {
            let at = NOW + hour * HOUR;
            let times = if hour.rem_euclid(24) == 1 { 2 } else { 1 };
            for (kind, count) in [(Kind::Attempt, times * issued), (Kind::Issued, issued)] {
                series.add(&Observation {
                    seconds: 3_600,
                    ..Observation::plain(at, Source::Log, kind, count)
                });
            }
        }
        series
    }

    #[test]
    fn an_hour_has_its_own_ratio_as_far_as_it_was_seen() {
        let many = ratios(&both(10_000)).unwrap();
        for day in 20_000..20_007 {
            let of_day = many.of_day(day);
            assert!((of_day[1] - 2.0).abs() < 0.01 && (of_day[2] - 1.0).abs() < 0.01);
        }
        // The ratio of all hours is 25 / 24; with few certificates, that of each hour is close to it.
        let few = ratios(&both(2)).unwrap();
        assert!((few.of_day(20_000)[1] - 25.0 / 24.0).abs() < 0.1, "{few:?}");
        assert!(few.of_day(20_000)[1] > few.of_day(20_000)[2]);
    }

    #[test]
    fn without_a_source_that_reports_both_there_is_no_ratio() {
        let mut one = Series::default();
        for hour in -28 * 24..0 {
            let line = |source, kind| Observation {
                seconds: 3_600,
                ..Observation::plain(NOW + hour * HOUR, source, kind, 900)
            };
            one.add(&line(Source::Ct, Kind::Issued));
            one.add(&line(Source::Log, Kind::Attempt));
        }
        assert_eq!(ratios(&one), None);
        // A source that has existed for a few days only is not used either.
        let mut new = Series::default();
        for hour in -6 * 24..0 {
            for kind in [Kind::Attempt, Kind::Issued] {
                new.add(&Observation {
                    seconds: 3_600,
                    ..Observation::plain(NOW + hour * HOUR, Source::Log, kind, 900)
                });
            }
        }
        assert_eq!(ratios(&new), None);
    }
}
