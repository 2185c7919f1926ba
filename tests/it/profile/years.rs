//! Load of years past.

use offpeak::domain::demand::observation::Kind;
use offpeak::domain::demand::profile::Evidence;
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR};

use super::{close, learn};
use crate::load::{NOW, at, hour_of, line};

/// What is older than ten half-lives moves nothing, unless nothing newer is known.
#[test]
fn years_past_are_known_and_move_nothing() {
    let with = |days: i64, newest_hours: usize| {
        let mut series = Series::default();
        for hour in -days * 24..0 {
            let from = at(NOW) + hour * HOUR;
            let of_day = hour_of(from);
            if hour >= -205 * 24 && of_day >= newest_hours {
                continue;
            }
            // A year ago noon was three times as busy.
            let noon = if hour < -150 * 24 && of_day == 12 {
                3
            } else {
                1
            };
            let count = 1_000 * noon + u64::try_from(of_day).unwrap() * 20;
            series.add(&line(from, HOUR, Kind::Attempt, count));
        }
        learn(&series)
    };
    let (old, new) = (with(400, 24), with(150, 24));
    for (old, new) in old.week.iter().zip(&new.week) {
        close(old.coefficient, new.coefficient, 0.002);
    }
    assert_eq!((old.day[12].samples, new.day[12].samples), (400, 150));
    assert_eq!(old.data.unwrap().seconds(), 400 * DAY);
    // For 205 days nothing was seen after 10:00: what 20 days before saw there still counts, in April and
    // far from the first of a month.
    let gone = with(225, 10);
    assert_eq!(gone.day[23].evidence, Evidence::Sufficient);
    assert!(gone.day[12].coefficient > 2.0, "{:?}", gone.day[12]);
}
