//! Made load.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR, Timestamp};

/// A Monday.
pub(crate) const NOW: &str = "2026-11-16T00:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn line(from: Timestamp, seconds: i64, kind: Kind, count: u64) -> Observation {
    Observation {
        seconds: u32::try_from(seconds).unwrap(),
        ..Observation::plain(from, Source::Ca, kind, count)
    }
}

/// `days` days up to [`NOW`] of attempts in lines of an hour, as many as `count` says of the hour
/// that begins.
pub(crate) fn hourly(days: i64, count: impl Fn(Timestamp) -> u64) -> Series {
    let mut series = Series::default();
    for hour in -days * 24..0 {
        let from = at(NOW) + hour * HOUR;
        series.add(&line(from, HOUR, Kind::Attempt, count(from)));
    }
    series
}

/// 40,000 an hour on average with a peak of 2.37 times that at 01:00 UTC.
pub(crate) fn one_oclock(from: Timestamp) -> u64 {
    if hour_of(from) == 1 { 94_800 } else { 37_617 }
}

pub(crate) fn hour_of(at: Timestamp) -> usize {
    usize::try_from(at.second_of_day() / HOUR).unwrap()
}

pub(crate) fn weekday_of(at: Timestamp) -> usize {
    usize::try_from(at.second_of_week() / DAY).unwrap()
}

/// The lines of 28 days before `now` of a log that counts 1,000 attempts an hour, of which 5 fail and 800 in one hour of the
/// day, which looks as busy as the others.
pub(crate) fn failing_in(hour: i64, now: Timestamp) -> String {
    let line = |from: Timestamp, kind: &str, count: u64| {
        format!(
            r#"{{"at":"{from}","seconds":3600,"ca":"example","source":"log","kind":"{kind}","count":{count}}}"#
        )
    };
    let of = |ago: i64| {
        let from = Timestamp::from_unix((now.slot(HOUR) - ago) * HOUR);
        let fails = from.second_of_day() / HOUR == hour;
        let failed = line(from, "failed", if fails { 800 } else { 5 });
        [line(from, "attempt", 1_000), failed]
    };
    (1..=28 * 24)
        .flat_map(of)
        .collect::<Vec<String>>()
        .join("\n")
}
