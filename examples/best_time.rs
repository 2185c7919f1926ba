//! Prints a crontab line, from a `ranking.json` alone: `curl -fsS URL | best_time`. Needs `serde_json` and `rand`.
use std::error::Error;
use std::io::{Write as _, stdin, stdout};

use rand::distr::{Distribution as _, weighted::WeightedIndex};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let line = crontab_line(&serde_json::from_reader(stdin())?)?;
    Ok(writeln!(stdout(), "{line}")?)
}

/// A slot of the day is drawn by its weight, then a second in it at random.
pub(crate) fn crontab_line(ranking: &Value) -> Result<String, Box<dyn Error>> {
    let version = ranking["schemaVersion"].as_str().unwrap_or_default();
    if !version.starts_with("1.") {
        return Err(format!("this program knows no ranking of version {version:?}").into());
    }
    let slots = ranking["slots"].as_array().ok_or("it has no slots")?;
    let weight = |slot: &Value| slot["weight"].as_f64().unwrap_or(0.0);
    let slot = WeightedIndex::new(slots.iter().map(weight))?.sample(&mut rand::rng());
    let seconds = ranking["slotMinutes"].as_u64().unwrap_or(60) * 60;
    let at = u64::try_from(slot)? * seconds + rand::random_range(0..seconds);
    let (time, wait) = (format!("{} {}", at / 60 % 60, at / 3_600), at % 60);
    let line =
        format!("{time} * * * sleep {wait}; certbot renew --quiet --no-random-sleep-on-renew");
    Ok(line)
}
