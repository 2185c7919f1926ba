//! Any CSV of counts as the first cycle's shape.

use std::fmt::Write as _;

use offpeak::domain::time::{HOUR, Timestamp};
use offpeak::simulate::scenario::Scenario;

/// Reads a scenario whose arrivals are this CSV; else what is wrong.
fn arrivals(csv: &str, keys: &str) -> Result<Vec<f64>, String> {
    let text = format!(
        "certificates_per_hour = 100\narrivals = {{ csv = \"load.csv\", {keys} }}\n[[client]]\nname = \"all\"\nkind = \"exact\"\nshare = 1\n"
    );
    let files = |path: &str| {
        assert_eq!(path, "load.csv");
        Ok(csv.to_owned())
    };
    Scenario::parse("x", &text, &files)
        .map(|scenario| scenario.arrivals.unwrap())
        .map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            errors.join("; ")
        })
}

const COLUMNS: &str = "time = \"at\", count = \"n\"";

/// Rows of `hours` hours from an instant on: each the hour's number, from 1.
fn hourly(from: &str, hours: i64) -> String {
    let from: Timestamp = from.parse().unwrap();
    let mut csv = "at,n\n".to_owned();
    for hour in 0..hours {
        writeln!(csv, "{},{}", from + hour * HOUR, hour + 1).unwrap();
    }
    csv
}

/// The series as a multiple of its first hour's.
fn relative(series: &[f64]) -> Vec<f64> {
    let least = series.iter().copied().fold(f64::INFINITY, f64::min);
    series
        .iter()
        .map(|n| (n / least * 10.0).round() / 10.0)
        .collect()
}

#[test]
fn a_day_of_counts_becomes_the_shape_of_the_day() {
    let series = arrivals(&hourly("2020-02-29T00:00:00Z", 24), COLUMNS).unwrap();
    assert_eq!(series.len(), 24);
    assert!((series.iter().sum::<f64>() - 24.0).abs() < 1e-9);
    let want: Vec<f64> = (1..=24).map(f64::from).collect();
    assert_eq!(relative(&series), want);
}

#[test]
fn a_series_is_turned_so_that_its_weekday_and_hour_are_those_of_the_start() {
    // From a Wednesday 05:00 on; the scenario starts on a Monday 00:00, four days and 19 h on.
    let series = arrivals(&hourly("2020-01-01T05:00:00Z", 168), COLUMNS).unwrap();
    assert_eq!(series.len(), 168);
    assert_eq!(relative(&series)[..2], [116.0, 117.0]);
    let day = arrivals(&hourly("2020-01-01T05:00:00Z", 30), COLUMNS).unwrap();
    assert_eq!(relative(&day)[..2], [20.0, 21.0]);
}

#[test]
fn quoted_cells_other_columns_separators_and_times_without_zone_are_read() {
    let mut csv = "\"what, exactly\";\"at\";n\n".to_owned();
    for minute in 0..24 * 12 {
        let (hour, minute) = (minute / 12, minute % 12 * 5 + 4);
        writeln!(
            csv,
            "\"a \"\"b\"\"; c\";\"2014-04-10 {hour:02}:{minute:02}:00\";\"{}.5\"",
            hour + 1
        )
        .unwrap();
    }
    let series = arrivals(&csv, COLUMNS).unwrap();
    assert_eq!(series.len(), 24);
    assert!((series[23] / series[0] - 24.5 / 1.5).abs() < 1e-9);
}

#[test]
fn rows_of_one_time_add_up() {
    let csv = hourly("2020-01-06T00:00:00Z", 24);
    let twice = format!("{csv}{}", csv.trim_start_matches("at,n\n"));
    assert_eq!(arrivals(&twice, COLUMNS), arrivals(&csv, COLUMNS));
}

#[test]
fn a_count_a_day_is_spread_as_the_day_is_shaped() {
    let mut csv = "at\tn\n".to_owned();
    for day in 1..=7 {
        writeln!(
            csv,
            "2018-01-{day:02}\t{}",
            if day == 1 { 200 } else { 100 }
        )
        .unwrap();
    }
    let series = arrivals(&csv, COLUMNS).unwrap();
    assert_eq!(series.len(), 168);
    // 2018-01-01 was a Monday, as is the start.
    assert!((series[1] / series[25] - 2.0).abs() < 1e-9);
    assert!((series[25] / series[24] - 2.268 / 1.795).abs() < 1e-9);
}

#[test]
fn gaps_are_named_and_are_not_zero() {
    let csv = hourly("2020-01-06T00:00:00Z", 48);
    let gap: String = csv
        .lines()
        .filter(|line| !line.contains("T05:") && !line.contains("07T06:"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let error = arrivals(&gap, COLUMNS).unwrap_err();
    assert_eq!(
        error,
        "2: arrivals.csv: load.csv: has no row for 3 of its 48 hours, the first of them 2020-01-06T05:00:00Z: what was not counted is unknown, not 0"
    );
}

#[test]
fn what_is_no_series_is_named_by_file_and_line() {
    let hours = hourly("2020-01-06T00:00:00Z", 24);
    for (csv, keys, want) in [
        (
            hours.as_str(),
            "time = \"at\", count = \"m\"",
            "the header has no column \"m\"",
        ),
        (&hours, "time = \"at\"", "arrivals.count: is missing"),
        (
            &hours.replace(",7\n", ",x\n"),
            COLUMNS,
            "line 8: \"x\" is no number",
        ),
        (
            &hours.replace(",7\n", ",-7\n"),
            COLUMNS,
            "line 8: -7 is less than 0",
        ),
        (
            &hours.replace(",7\n", ",NaN\n"),
            COLUMNS,
            "line 8: \"NaN\" is no number",
        ),
        (
            &hours.replace("06T06", "06 T06"),
            COLUMNS,
            "line 8: \"2020-01-06 T06:00:00Z\" is no time",
        ),
        (&hours.replace(",7\n", "\n"), COLUMNS, "line: 8"),
        ("at,n\n", COLUMNS, "fewer than two rows"),
        (
            &hourly("2020-01-06T00:00:00Z", 23),
            COLUMNS,
            "has 23 full hours: it takes from 24",
        ),
        (
            "at,n\n2020-01-06T00:00:00Z,1\n2020-01-08T00:00:00Z,1\n",
            COLUMNS,
            "its rows are 172800 s apart",
        ),
    ] {
        let error = arrivals(csv, keys).unwrap_err();
        assert!(error.contains(want), "{want}: {error}");
    }
    let zero = "at,n\n2020-01-06,0\n2020-01-07,0\n";
    assert!(
        arrivals(zero, COLUMNS)
            .unwrap_err()
            .ends_with("counts nothing")
    );
}

#[test]
fn more_than_the_first_cycle_is_cut_off() {
    let series = arrivals(&hourly("2020-01-06T00:00:00Z", 168 * 10), COLUMNS).unwrap();
    assert_eq!(series.len(), 60 * 24);
    assert!((series.iter().sum::<f64>() - 1_440.0).abs() < 1e-6);
}
