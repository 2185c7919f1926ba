//! The profile on real series.

use offpeak::domain::demand::backtest::BackTest;
use offpeak::domain::demand::observation::Kind;
use offpeak::domain::demand::profile::{Evidence, Profile};
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR, Timestamp, WEEK};

use crate::load::{NOW, at, hour_of, line};
use crate::tools::real_data;

/// Requests of a load balancer in steps of five minutes, 14 days of them, moved by whole weeks to
/// end shortly before [`NOW`]. Not issuance: a stand-in for the shape of a day.
fn balancer() -> Option<Vec<(Timestamp, u64)>> {
    let text = std::fs::read_to_string(real_data("load/elb-requests-5min.csv")?).unwrap();
    let weeks = (at(NOW) - at("2014-04-24T01:00:00Z")) / WEEK;
    let rows = text.lines().skip(1).map(|row| {
        let (time, value) = row.split_once(',').unwrap();
        let time = at(&format!("{}Z", time.replace(' ', "T")));
        let value = value.strip_suffix(".0").unwrap().parse().unwrap();
        (time + weeks * WEEK, value)
    });
    Some(rows.collect())
}

/// Let's Encrypt's issuance, day by day.
fn issuance() -> Option<Vec<(Timestamp, u64)>> {
    let text = std::fs::read_to_string(real_data("issuance/letsencrypt-daily.tsv")?).unwrap();
    let rows = text.lines().skip(1).map(|row| {
        let mut cells = row.split('\t');
        let day = at(&format!("{}T00:00:00Z", cells.next().unwrap()));
        (day, cells.next().unwrap().parse().unwrap())
    });
    Some(rows.collect())
}

/// What is learned from the 400 days before `now`, as many as are kept by default.
fn learn_issuance(rows: &[(Timestamp, u64)], now: Timestamp) -> Profile {
    let mut series = Series::default();
    for (day, issued) in rows {
        if (now - 400 * DAY..now).contains(day) {
            series.add(&line(*day, DAY, Kind::Issued, *issued));
        }
    }
    Profile::learn(&series, now, HOUR, &[])
}

/// The means of each hour, relative to their mean, minute by minute, computed apart from the code
/// under test.
fn raw_hours(rows: &[(Timestamp, u64)]) -> Vec<f64> {
    let (mut sums, mut minutes) = ([0.0; 24], [0.0; 24]);
    for (time, value) in rows {
        for minute in 0..5 {
            let hour = hour_of(*time + minute * 60);
            sums[hour] += f64::from(u32::try_from(*value).unwrap()) / 5.0;
            minutes[hour] += 1.0;
        }
    }
    let hours: Vec<f64> = (0..24).map(|hour| sums[hour] / minutes[hour]).collect();
    let mean = hours.iter().sum::<f64>() / 24.0;
    hours.iter().map(|hour| hour / mean).collect()
}

fn peak_of(hours: &[f64]) -> usize {
    (0..hours.len())
        .max_by(|a, b| hours[*a].total_cmp(&hours[*b]))
        .unwrap()
}

#[test]
fn a_load_balancers_hours_are_found() {
    let Some(rows) = balancer() else { return };
    let mut series = Series::default();
    for (time, value) in &rows {
        series.add(&line(*time, 300, Kind::Attempt, *value));
    }
    let now = rows.last().unwrap().0 + 300;
    let profile = Profile::learn(&series, now, HOUR, &[]);
    let raw = raw_hours(&rows);
    let learned: Vec<f64> = profile.day.iter().map(|slot| slot.coefficient).collect();
    for hour in 0..24 {
        let slot = &profile.day[hour];
        assert_eq!(slot.evidence, Evidence::Sufficient);
        assert!(
            (learned[hour] - raw[hour]).abs() < 0.1,
            "{hour}: {learned:?} {raw:?}"
        );
        assert!(
            (slot.low..slot.high).contains(&raw[hour]),
            "{hour}: {slot:?} {}",
            raw[hour]
        );
    }
    // 17:00, by 1.542 to the 1.444 of 20:00; without the one day that had 2.4 times the usual at
    // 17:00 they change places. The model calls it a draw, and either of them the peak.
    assert_eq!(peak_of(&raw), 17);
    let peak = &profile.day[peak_of(&learned)];
    assert!([17, 20].contains(&peak_of(&learned)));
    for hour in [17, 20] {
        let slot = &profile.day[hour];
        assert!((slot.low..slot.high).contains(&peak.coefficient));
    }
    assert!(
        profile
            .week
            .iter()
            .all(|slot| slot.evidence == Evidence::Sufficient)
    );
    assert_eq!(profile.minutes, None, "five-minute lines know no minutes");
}

#[test]
fn slots_of_a_quarter_of_an_hour_average_to_the_hours() {
    let Some(rows) = balancer() else { return };
    let mut series = Series::default();
    for (time, value) in &rows {
        series.add(&line(*time, 300, Kind::Attempt, *value));
    }
    let now = rows.last().unwrap().0 + 300;
    let hours = Profile::learn(&series, now, HOUR, &[]);
    for slot_seconds in [1_800, 900, 300] {
        let fine = Profile::learn(&series, now, slot_seconds, &[]);
        let per_hour = fine.day.len() / 24;
        assert_eq!(fine.week.len(), 7 * fine.day.len());
        for (hour, slots) in hours.day.iter().zip(fine.day.chunks(per_hour)) {
            let mean = slots.iter().map(|s| s.coefficient).sum::<f64>()
                / f64::from(u32::try_from(per_hour).unwrap());
            assert!(
                (mean - hour.coefficient).abs() < 1e-9,
                "{slot_seconds}: {mean} {hour:?}"
            );
        }
    }
}

/// The profile looks back with a half-life of two weeks: what it knows of a weekday at one time is
/// worth six weeks and follows the season. The long-run factors are its mean over the 16 months.
#[test]
fn lets_encrypts_weekdays_are_found() {
    let Some(rows) = issuance() else { return };
    let known = [0.949, 1.043, 1.037, 1.035, 0.997, 0.999, 0.913];
    let mut sums = [0.0; 7];
    let mut times = 0.0;
    let mut now = at("2017-08-07T00:00:00Z");
    while now <= at("2018-11-19T00:00:00Z") {
        let profile = learn_issuance(&rows, now);
        for (sum, factor) in sums.iter_mut().zip(profile.weekdays) {
            *sum += factor.unwrap();
        }
        times += 1.0;
        now = now + WEEK;
    }
    for (sum, known) in sums.iter().zip(known) {
        assert!((sum / times - known).abs() < 0.01, "{sums:?} / {times}");
    }
}

/// At one time: the weighted means of the ratios to the mean of their own seven days, computed
/// here with the documented half-life.
#[test]
fn lets_encrypts_weekdays_at_one_time_are_the_documented_means() {
    let Some(rows) = issuance() else { return };
    let now = at("2018-11-19T00:00:00Z");
    let profile = learn_issuance(&rows, now);
    let (mut sums, mut weights) = ([0.0; 7], [0.0; 7]);
    let rows: Vec<(Timestamp, f64)> = rows
        .iter()
        .map(|(day, n)| (*day, f64::from(u32::try_from(*n).unwrap())))
        .collect();
    for seven in rows.rchunks_exact(7).take(57) {
        let mean = seven.iter().map(|(_, n)| n).sum::<f64>() / 7.0;
        for (weekday, (day, n)) in seven.iter().enumerate() {
            let weeks = f64::from(i32::try_from((now - *day) / DAY).unwrap()) / 14.0;
            sums[weekday] += (-weeks).exp2() * n / mean;
            weights[weekday] += (-weeks).exp2();
        }
    }
    for weekday in 0..7 {
        let (got, want) = (
            profile.weekdays[weekday].unwrap(),
            sums[weekday] / weights[weekday],
        );
        // A day scatters by 8 % around its factor; wild ones count less than in a plain mean.
        assert!((got - want).abs() < 0.05, "{weekday}: {got} {want}");
    }
    // Certificates issued have no peak on the first of the month, and daily counts know no hours.
    assert!(
        profile
            .first_of_month
            .is_none_or(|factor| !factor.stands_out())
    );
    assert!(
        profile
            .day
            .iter()
            .all(|slot| slot.evidence == Evidence::Insufficient)
    );
    let monday = profile.coefficient_at(at("2018-11-26T13:00:00Z"));
    assert!((monday - profile.weekdays[0].unwrap()).abs() < 1e-9);
    assert!((600_000.0..1_200_000.0).contains(&(24.0 * profile.mean_per_hour())));
}

/// The forecast one week ahead is better than the week before on each real series of three weeks and more.
#[test]
fn a_week_ahead_is_forecast_better_than_by_the_week_before() {
    let Some(rows) = issuance() else { return };
    let mut series = Series::default();
    for (day, issued) in &rows {
        series.add(&line(*day, DAY, Kind::Issued, *issued));
    }
    for year in 2016..=2018 {
        let now = at(&format!("{year}-11-19T00:00:00Z"));
        let test = BackTest::of(&series, now, &[], 52);
        println!("issuance to {year}-11: {test:?} {:?}", test.days.ratio());
        assert_eq!(test.hours.count, 0, "nobody told of hours");
        assert!(test.days.count >= 300, "{test:?}");
        assert!(test.days.ratio().unwrap() < 1.0, "{test:?}");
    }
}

/// Of two weeks one can be foretold, from one: that is the week before, within a hundredth or so.
#[test]
fn a_load_balancer_s_second_week_is_forecast_from_its_first() {
    let Some(rows) = balancer() else { return };
    let mut series = Series::default();
    for (time, value) in &rows {
        series.add(&line(*time, 300, Kind::Attempt, *value));
    }
    let test = BackTest::of(&series, rows.last().unwrap().0 + 300, &[], 4);
    println!("balancer: {test:?} {:?}", test.hours.ratio());
    assert!(test.weeks >= 1 && test.hours.count > 100, "{test:?}");
    assert!(test.hours.ratio().unwrap() < 1.05, "{test:?}");
}
