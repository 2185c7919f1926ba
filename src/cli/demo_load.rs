//! The load of the demo: four weeks of the past, and then minute by minute. One fictitious week,
//! repeated.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp, WEEK};
use crate::engine::Engine;
use crate::store::ClosedBatch;

/// One week of the sample CA: `hour_of_week,attempts,failed`, Monday 00:00 UTC first.
const WEEK_OF_LOAD: &str = include_str!("../../static/demo-week.csv");

/// The number of weeks replayed, as many as the profile needs to trust each hour of the week.
const WEEKS: i64 = 4;

/// The percentage of an hour's requests in its first minute, because crontabs say `0`.
const FIRST_MINUTE_PER_CENT: u64 = 15;

/// After a machine has slept, at most this much time is made up for.
const MOST_CAUGHT_UP_SECONDS: i64 = HOUR;

/// The sample CA.
pub(super) fn demo_ca() -> CaName {
    "demo".parse().unwrap_or_default()
}

/// Gives the model the load of the last four weeks, up to the present minute; returns that minute.
pub(super) async fn replay(engine: &Engine) -> anyhow::Result<Timestamp> {
    let hours = hours()?;
    let now = engine.now();
    let store = engine.store();
    let batch = store.open_batch(now).await?;
    let first_hour = (now - WEEKS * WEEK).slot(HOUR);
    let until = Timestamp::from_unix(now.slot(MINUTE) * MINUTE);
    for hour in first_hour..=now.slot(HOUR) {
        let mut rows = load_of(&hours, hour)?;
        rows.retain(|row| row.at < until);
        store.append_batch(batch, &rows).await?;
    }
    let closed = ClosedBatch {
        sha256: Sha256::digest(WEEK_OF_LOAD).into(),
        report: "{}".to_owned(),
    };
    store.close_batch(batch, None, &closed, now).await?;
    engine.catch_up().await?;
    engine.learn();
    Ok(until)
}

/// Adds the load of each minute once it has passed; does not return.
pub(super) async fn go_on(engine: Arc<Engine>, loaded_until: Timestamp) {
    let mut from = loaded_until;
    loop {
        let now = engine.now();
        let next = Timestamp::from_unix((now.slot(MINUTE) + 1) * MINUTE);
        let wait = u64::try_from(next - now).unwrap_or(0);
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let from_here = from.max(next - MOST_CAUGHT_UP_SECONDS);
        match add_load(&engine, from_here, next).await {
            Ok(()) => from = next,
            Err(error) => tracing::warn!(event = "demo_load_missing", %error),
        }
    }
}

/// Adds the load of the minutes from `from` to before `to`.
async fn add_load(engine: &Engine, from: Timestamp, to: Timestamp) -> anyhow::Result<()> {
    let hours = hours()?;
    let mut rows = Vec::new();
    for hour in from.slot(HOUR)..=to.slot(HOUR) {
        rows.extend(load_of(&hours, hour)?);
    }
    rows.retain(|row| from <= row.at && row.at < to);
    let now = engine.now();
    let store = engine.store();
    let batch = store.open_batch(now).await?;
    store.append_batch(batch, &rows).await?;
    let closed = ClosedBatch {
        sha256: Sha256::digest(to.to_string()).into(),
        report: "{}".to_owned(),
    };
    store.close_batch(batch, None, &closed, now).await?;
    Ok(())
}

/// The load of an hour, counted from 1970.
fn load_of(hours: &[(u64, u64)], hour: i64) -> anyhow::Result<Vec<Observation>> {
    let from = Timestamp::from_unix(hour * HOUR);
    let (attempts, failed) = hours[usize::try_from(from.second_of_week() / HOUR)?];
    let kinds = [(Kind::Attempt, attempts), (Kind::Failed, failed)];
    let rows = kinds.map(|(kind, count)| lines(from, kind, count));
    Ok(rows.concat())
}

/// The hours of the sample week: attempts and failures.
pub(super) fn hours() -> anyhow::Result<Vec<(u64, u64)>> {
    WEEK_OF_LOAD
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split(',').skip(1).map(str::parse);
            match (fields.next(), fields.next()) {
                (Some(Ok(attempts)), Some(Ok(failed))) => Ok((attempts, failed)),
                _ => anyhow::bail!("the bundled load has a line that does not fit: {line}"),
            }
        })
        .collect()
}

/// An hour's count by minute: a fixed share in the first, the rest spread over the others.
fn lines(hour: Timestamp, kind: Kind, count: u64) -> Vec<Observation> {
    let first = count * FIRST_MINUTE_PER_CENT / 100;
    let until = |minute| first + (count - first) * minute / 59;
    (0..60)
        .zip(std::iter::once(first).chain((0..59).map(|n| until(n + 1) - until(n))))
        .map(|(minute, count)| Observation {
            ca: demo_ca(),
            ..Observation::plain(hour + minute * MINUTE, Source::Ca, kind, count)
        })
        .collect()
}
