//! `arrivals`: a CSV file of counts as the shape of the first cycle.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime};

use super::Files;
use crate::config::error::Problems;
use crate::config::hint::did_you_mean;
use crate::config::section::Section;
use crate::config::value;
use crate::domain::time::{DAY, HOUR, Timestamp};

const HOURS_OF_DAY: usize = 24;
const HOURS_OF_WEEK: usize = 168;

/// The most hours: eleven years. A file with more probably has a wrong year in it.
const MOST_HOURS: i64 = 100_000;

/// The content of a CSV file: each instant and the sum of its counts.
type Counts = BTreeMap<Timestamp, f64>;

/// The hours of the series from `start` on, with the mean 1, cut to the first cycle. `None` if the
/// scenario names no file, or the file has a problem, which is then added.
pub(super) fn read(
    root: &mut Section<'_>,
    start: Timestamp,
    hours: &[f64; 24],
    first_cycle_days: u32,
    files: Files<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<f64>> {
    let mut section = root.section("arrivals", problems)?;
    let path = section.require("csv", problems, |v| value::text(v));
    let time = section.require("time", problems, |v| value::text(v));
    let count = section.require("count", problems, |v| value::text(v));
    let (Some(path), Some(time), Some(count)) = (path, time, count) else {
        section.finish(problems);
        return None;
    };
    let series = files(path)
        .map_err(|error| error.to_string())
        .and_then(|text| counts(&text, time, count))
        .and_then(|counts| hourly(&counts, hours))
        .and_then(|(first, hourly)| shaped(first, hourly, start, first_cycle_days));
    let series = series
        .map_err(|reason| section.fault("csv", problems, format!("{path}: {reason}")))
        .ok();
    section.finish(problems);
    series
}

fn counts(text: &str, time: &str, count: &str) -> Result<Counts, String> {
    let reader = |separator: u8| {
        csv::ReaderBuilder::new()
            .delimiter(separator)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes())
    };
    let has_both = |separator: u8| {
        reader(separator).headers().is_ok_and(|header| {
            [time, count]
                .iter()
                .all(|name| header.iter().any(|known| known == *name))
        })
    };
    let separator = [b',', b';', b'\t']
        .into_iter()
        .find(|separator| has_both(*separator));
    let mut reader = reader(separator.unwrap_or(b','));
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| {
        header
            .iter()
            .position(|known| known == name)
            .ok_or_else(|| {
                let hint = did_you_mean(name, header.iter());
                format!("the header has no column {name:?}{hint}")
            })
    };
    let (time, count) = (column(time)?, column(count)?);
    let mut counts = Counts::new();
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let at = instant(cell(time)).map_err(|reason| format!("line {line}: {reason}"))?;
        let number = value::decimal(cell(count))
            .and_then(|number| match number {
                0.0.. => Ok(number),
                _ => Err(format!("{number} is less than 0")),
            })
            .map_err(|reason| format!("line {line}: {reason}"))?;
        *counts.entry(at).or_default() += number;
    }
    Ok(counts)
}

/// An instant as everywhere else; without an offset it is in UTC, because many measurements are written
/// so.
fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .or_else(|error: crate::domain::time::TimeError| {
            [
                "%Y-%m-%d %H:%M:%S%.f",
                "%Y-%m-%dT%H:%M:%S%.f",
                "%Y-%m-%d %H:%M",
            ]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .or_else(|| {
                let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
                date.and_hms_opt(0, 0, 0)
            })
            .map(|time| Timestamp::from_unix(time.and_utc().timestamp()))
            .ok_or_else(|| error.to_string())
        })
}

/// The first full hour, and the counts from it on. Counts of rows that are more than an hour apart are
/// spread over their hours in the day's shape.
fn hourly(counts: &Counts, shape: &[f64; 24]) -> Result<(Timestamp, Vec<f64>), String> {
    let times: Vec<Timestamp> = counts.keys().copied().collect();
    let apart = times.windows(2).map(|pair| pair[1] - pair[0]);
    let (Some(step), Some(first), Some(last)) = (apart.min(), times.first(), times.last()) else {
        return Err("has fewer than two rows of different times".to_owned());
    };
    let long = step > HOUR;
    if long && (step > DAY || step % HOUR != 0) {
        return Err(format!(
            "its rows are {step} s apart: it takes rows up to an hour, or whole hours up to a day, apart"
        ));
    }
    // An hour counts if rows cover it from its beginning to its end.
    let from =
        first.unix().div_euclid(HOUR) + i64::from(!long && first.unix().rem_euclid(HOUR) >= step);
    let to = (last.unix() + step).div_euclid(HOUR);
    let length = to - from;
    if !(24..=MOST_HOURS).contains(&length) {
        return Err(format!(
            "has {length} full hours: it takes from 24 to {MOST_HOURS}"
        ));
    }
    let mut hours: BTreeMap<i64, f64> = BTreeMap::new();
    for (at, count) in counts {
        let hour = at.unix().div_euclid(HOUR);
        let covered = hour..hour + (step / HOUR).max(1);
        let weights: f64 = covered.clone().map(|hour| weight(shape, hour)).sum();
        for hour in covered {
            let part = if weights > 0.0 {
                weight(shape, hour) / weights
            } else {
                0.0
            };
            *hours.entry(hour).or_default() += count * part;
        }
    }
    let missing: Vec<i64> = (from..to)
        .filter(|hour| !hours.contains_key(hour))
        .collect();
    if let Some(first) = missing.first() {
        return Err(format!(
            "has no row for {} of its {length} hours, the first of them {}: what was not counted is unknown, not 0",
            missing.len(),
            Timestamp::from_unix(first * HOUR)
        ));
    }
    let counts = (from..to).filter_map(|hour| hours.get(&hour).copied());
    Ok((Timestamp::from_unix(from * HOUR), counts.collect()))
}

fn weight(shape: &[f64; 24], hour: i64) -> f64 {
    usize::try_from(hour.rem_euclid(24)).map_or(0.0, |hour| shape[hour])
}

/// Whole weeks, or whole days if there is no week, rotated so that they begin with the weekday and hour
/// of the scenario's start.
fn shaped(
    first: Timestamp,
    mut hourly: Vec<f64>,
    start: Timestamp,
    first_cycle_days: u32,
) -> Result<Vec<f64>, String> {
    let period = if hourly.len() < HOURS_OF_WEEK {
        HOURS_OF_DAY
    } else {
        HOURS_OF_WEEK
    };
    hourly.truncate(hourly.len() / period * period);
    let ahead = (start - first).div_euclid(HOUR);
    let turn = i64::try_from(period).map_or(0, |period| ahead.rem_euclid(period));
    hourly.rotate_left(usize::try_from(turn).unwrap_or_default());
    let cycle = usize::try_from(first_cycle_days).unwrap_or(usize::MAX);
    hourly.truncate(cycle.saturating_mul(HOURS_OF_DAY));
    let sum: f64 = hourly.iter().sum();
    let count: f64 = hourly.iter().map(|_| 1.0).sum();
    if sum <= 0.0 {
        return Err("counts nothing".to_owned());
    }
    Ok(hourly.iter().map(|number| number * count / sum).collect())
}
