//! What a year of counts becomes, and what a minute more of them costs, through the crate's own interface.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::time::{DAY, HOUR, MINUTE, Timestamp};

use super::figures::Figures;
use super::process::thread_seconds;
use super::setup::Setup;

const CAS: usize = 10;
const DAYS: i64 = 365;

/// A year of minutes of ten CAs, each counted by one log.
pub(super) fn a_year(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let now = Timestamp::from_unix(i64::try_from(setup.began)? / MINUTE * MINUTE);
    let mut all: Vec<Series> = (0..CAS).map(|_| series(now)).collect();
    let (mut modelled, mut updated) = (Vec::new(), Vec::new());
    for round in 0..setup.size.rounds {
        let at = now + i64::try_from(round)? * MINUTE;
        let before = thread_seconds()?;
        let known = all.iter().map(|series| learn(series, at)).filter(is_known);
        anyhow::ensure!(known.count() == CAS, "a year teaches nothing");
        modelled.push(thread_seconds()? - before);

        let before = thread_seconds()?;
        all[0].add(&counted(at));
        let profile = learn(&all[0], at + MINUTE);
        updated.push((thread_seconds()? - before) * 1_000.0);
        anyhow::ensure!(is_known(&profile), "a minute more teaches nothing");
    }
    figures.put("year_modelled", &modelled)?;
    figures.put("model_updated", &updated)
}

fn series(now: Timestamp) -> Series {
    let mut series = Series::default();
    for minute in 0..DAYS * DAY / MINUTE {
        series.add(&counted(now - DAYS * DAY + minute * MINUTE));
    }
    series
}

/// Some 40,000 an hour, more at midnight.
fn counted(at: Timestamp) -> Observation {
    let busy = if at.second_of_day() < HOUR { 900 } else { 0 };
    let jitter = at.unix().unsigned_abs() / 60 * 7_919 % 101;
    Observation::plain(at, Source::Log, Kind::Attempt, 600 + busy + jitter)
}

fn learn(series: &Series, now: Timestamp) -> Profile {
    Profile::learn(series, now, HOUR, &[])
}

fn is_known(profile: &Profile) -> bool {
    profile.data.is_some()
}
