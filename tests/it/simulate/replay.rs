//! `offpeak simulate` from end to end: a CSV of counts as the arrivals, and what is made of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::Parser;
use offpeak::cli::simulate::Simulate;
use offpeak::domain::math::number::real_len;
use offpeak::domain::time::{HOUR, Timestamp};
use serde_json::Value;

use crate::tools::real_data;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    simulate: Simulate,
}

/// What it prints.
fn simulate(arguments: &[&Path]) -> String {
    let all = [Path::new("simulate")].into_iter();
    let all = all.chain(arguments.iter().copied());
    let CommandLine { simulate } = CommandLine::try_parse_from(all).unwrap();
    let mut printed = Vec::new();
    simulate
        .run(&mut printed, |scenario, progress| {
            offpeak::simulate::run(scenario, progress)
        })
        .unwrap();
    String::from_utf8(printed).unwrap()
}

/// A scenario beside a CSV of counts, under the rules.
fn scenario(folder: &Path, csv: &Path, columns: [&str; 2], rules: &str) -> std::path::PathBuf {
    let ([time, count], csv) = (columns, csv.display());
    let text = format!(
        r#"
rules = {rules}
certificates_per_hour = 40000
cycles = 1
arrivals = {{ csv = "{csv}", time = "{time}", count = "{count}" }}
[[client]]
name = "daemons"
kind = "exact"
share = 0.9
replaces = true
honours_retry_after = true
[[client]]
name = "without ARI"
kind = "no-ari"
share = 0.1
"#
    );
    let file = folder.join("mine.toml");
    fs::write(&file, text).unwrap();
    file
}

/// The counts of a night's work: three times as much from 01:00 to 03:00 as else.
fn nightly(folder: &Path) -> (std::path::PathBuf, Vec<f64>) {
    let from: Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    let counts: Vec<f64> = (0..24)
        .map(|hour| if (1..3).contains(&hour) { 300.0 } else { 100.0 })
        .collect();
    let mut csv = "at,issued\n".to_owned();
    for (hour, count) in (0_i64..).zip(&counts) {
        writeln!(csv, "{},{count}", from + hour * HOUR).unwrap();
    }
    let file = folder.join("issued.csv");
    fs::write(&file, csv).unwrap();
    (file, counts)
}

fn peak(json: &Value, rule: &str) -> f64 {
    json["rules"][rule]["peakToMean"].as_f64().unwrap()
}

#[test]
fn counts_of_one_s_own_become_a_table_json_csv_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, counts) = nightly(folder.path());
    let rules = r#"["none", "offpeak"]"#;
    let file = scenario(folder.path(), &csv, ["at", "issued"], rules);
    let (tables, picture) = (folder.path().join("out"), folder.path().join("load.svg"));
    let arguments: Vec<&Path> = [
        file.as_path(),
        "--json".as_ref(),
        "--days".as_ref(),
        "120".as_ref(),
        "--csv".as_ref(),
        &tables,
        "--svg".as_ref(),
        &picture,
    ]
    .into();
    let json: Value = serde_json::from_str(&simulate(&arguments)).unwrap();
    // 300 of a mean of (2 × 300 + 22 × 100) / 24.
    let mean = counts.iter().sum::<f64>() / 24.0;
    let known = 300.0 / mean;
    assert!((peak(&json, "none") - known).abs() < 0.03, "{json}");
    assert!(peak(&json, "offpeak") < 1.05, "{json}");

    let slots = fs::read_to_string(tables.join("mine-slots.csv")).unwrap();
    let mut rows = slots.lines();
    assert_eq!(rows.next(), Some("slot,none,offpeak"));
    for (row, count) in rows.clone().zip(&counts) {
        let load: f64 = row.split(',').nth(1).unwrap().parse().unwrap();
        let expected = count / mean * 40_000.0;
        assert!(
            (load - expected).abs() < 5.0 * expected.sqrt(),
            "{row}: {expected}"
        );
    }
    assert_eq!(rows.count(), 120 * 24);
    let seconds = fs::read_to_string(tables.join("mine-seconds.csv")).unwrap();
    let rows = seconds.lines().skip(1);
    let busiest: Vec<f64> = rows
        .filter_map(|row| row.strip_prefix("none,"))
        .map(|row| row.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    // Around the busiest second it is 01:00 to 03:00.
    let mean_second = busiest.iter().sum::<f64>() / real_len(busiest.len());
    let expected = known * 40_000.0 / 3_600.0;
    assert!(
        (mean_second / expected - 1.0).abs() < 0.1,
        "{mean_second}, not {expected}"
    );
    let drawn = fs::read_to_string(picture).unwrap();
    assert!(
        drawn.starts_with("<svg ") && drawn.contains("offpeak"),
        "{drawn}"
    );
}

#[test]
fn a_real_load_balancer_s_fortnight_is_replayed() {
    let Some(csv) = real_data("load/elb-requests-5min.csv") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let csv = csv.canonicalize().unwrap();
    let rules = r#"["none", "boulder"]"#;
    let file = scenario(folder.path(), &csv, ["timestamp", "value"], rules);
    let table = simulate(&[&file, "--days".as_ref(), "120".as_ref()]);
    for line in ["none", "boulder"] {
        let mut lines = table.lines();
        let line = lines.find(|known| known.starts_with(line)).unwrap();
        let peak: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(peak > 1.2, "{table}");
    }
}
