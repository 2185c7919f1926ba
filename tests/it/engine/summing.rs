//! Sums after a start with the index's file: the same as from the store, without reading that.

use std::path::Path;

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::store::ClosedBatch;
use sqlx::{Connection as _, SqliteConnection};

use super::*;

/// When it is told: more than 26 h after the first registrations, so that polls tell who follows,
/// and less than a day after the file was written.
const LATER: Timestamp = Timestamp::from_unix(NOW.unix() + 30 * HOUR);

/// Everything that is summed, as far as it is told: the forecast and the windows of each day, and
/// what was learned of the week and of returns, with both cohorts.
async fn result(engine: &Engine) -> (Vec<f64>, String) {
    let ca = CaName::default();
    engine.sweep();
    engine.learn();
    let outlook = engine.outlook(&ca).await.unwrap().unwrap();
    let slots = outlook.slots.iter();
    let mut sums: Vec<f64> = slots
        .flat_map(|slot| [slot.load.unsteered, slot.load.steered])
        .collect();
    sums.extend((0..100).map(|day| {
        let from = NOW + day * DAY;
        let to = from + DAY;
        engine.windows_promised(Span { from, to })
    }));
    let profile = engine.profile(&ca).unwrap();
    sums.push(profile.mean_per_hour());
    let mut cohorts = engine.cohorts(&ca).unwrap();
    cohorts.generated_at = NOW;
    let returns = engine.returns(&ca);
    (sums, format!("{} {returns:?} {cohorts:?}", profile.version))
}

/// Sums are floating point, and depend on the order in their last digits.
fn assert_alike((sums, rest): &(Vec<f64>, String), (want_sums, want_rest): &(Vec<f64>, String)) {
    assert_eq!(sums.len(), want_sums.len());
    for (n, (sum, want)) in sums.iter().zip(want_sums).enumerate() {
        assert!((sum - want).abs() < 1e-6, "{n}: {sum}, not {want}");
    }
    assert_eq!(rest, want_rest);
}

/// A registry with some of everything: lives of ten years, some replaced, polled and expired ones,
/// a control group, observations, a lesson. Half of it happens after the file was written.
async fn lived_fully(database: &Database, file: &Path, config: &Config) {
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let engine = Engine::resume(store, config.clone(), as_clock, file.to_owned());
    let engine = engine.await.unwrap();
    for half in 0..2 {
        let first = half * 500;
        let now = NOW + i64::try_from(half).unwrap() * 18 * HOUR;
        clock.set(now);
        // The windows of nine days are in the forecast.
        let lives = [90 * DAY, 9 * DAY, 10 * 365 * DAY, 8 * HOUR];
        let submissions: Vec<Submission> = (first..first + 400)
            .zip(lives.iter().cycle())
            .map(|(n, life)| issued(n, now - i64::try_from(n % 7).unwrap() * HOUR, *life))
            .collect();
        engine.register(&submissions, None).await.unwrap();
        for n in first..first + 200 {
            engine.renewal_info(&certid(n)).await.unwrap();
        }
        // Renewed by one that is registered a little later, or after the file was written, or never.
        // Not those of hours: to half a minute, which the index does not know, it is chance on
        // which side of its window one of them was renewed.
        for n in (first..first + 100).step_by(3).filter(|n| n % 4 != 3) {
            let successor = Successor::By(certid(n + 5_000));
            engine.succeed(&certid(n), &successor).await.unwrap();
        }
        let renewing = if half == 0 {
            [0..30, 0..0]
        } else {
            [30..60, 500..530]
        };
        let successors: Vec<Submission> = renewing
            .into_iter()
            .flat_map(|some| some.step_by(3))
            .map(|n| issued(n + 5_000, now + HOUR, 90 * DAY))
            .collect();
        engine.register(&successors, None).await.unwrap();
        let observed: Vec<Observation> = (0..2_880)
            .map(|n| {
                let at = now - (8 - 3 * i64::try_from(half).unwrap()) * DAY + n * MINUTE;
                Observation::plain(at, Source::Ca, Kind::Issued, 7)
            })
            .collect();
        let closed = ClosedBatch {
            sha256: [0; 32],
            report: String::new(),
        };
        let store = engine.store();
        let batch = store.open_batch(now).await.unwrap();
        store.append_batch(batch, &observed).await.unwrap();
        store.close_batch(batch, None, &closed, now).await.unwrap();
        engine.remove(&[certid(first + 250)]).await.unwrap();
        engine.catch_up().await.unwrap();
        engine.sweep();
        engine.note_polls().await.unwrap();
        if half == 0 {
            clock.set(NOW + 12 * HOUR);
            engine.keep_snapshot().await.unwrap();
        }
    }
}

/// A process that begins with the file.
async fn resumed(database: &Database, file: &Path, config: &Config) -> Arc<Engine> {
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(LATER));
    let engine = Engine::resume(store, config.clone(), clock, file.to_owned()).await;
    let engine = engine.unwrap();
    assert!(!engine.is_summed());
    engine
}

#[tokio::test]
async fn what_the_file_holds_is_summed_as_the_store_would_be() {
    let mut config = Config::default();
    config.cas[0].control_share = 0.2;
    for database in databases().await {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        lived_fully(&database, &file, &config).await;
        let from_store = replica(&database, config.clone()).await;
        from_store.clock.set(LATER);
        let from_store = from_store.engine;
        let from_file = resumed(&database, &file, &config).await;
        from_file.sum_up().await.unwrap();
        assert!(from_file.is_summed());
        assert_alike(&result(&from_file).await, &result(&from_store).await);
        // What comes now is taken out of the sums as it was put in.
        let ids: Vec<CertId> = (0..1_000).map(certid).collect();
        from_file.remove(&ids).await.unwrap();
        from_store.catch_up().await.unwrap();
        assert_alike(&result(&from_file).await, &result(&from_store).await);
    }
}

#[tokio::test]
async fn what_the_file_holds_is_not_read_from_the_store_again() {
    let database = Database::Sqlite(fresh_sqlite());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    lived_fully(&database, &file, &Config::default()).await;
    let before = resumed(&database, &file, &Config::default()).await;
    before.sum_up().await.unwrap();
    // Behind the feed's back, so that whoever reads all of them does not find it.
    let mut aside = SqliteConnection::connect(&database.url()).await.unwrap();
    let delete = "DELETE FROM certificates WHERE serial = ?1";
    let delete = sqlx::query(delete).bind(certid(3).serial.octets().to_vec());
    assert_eq!(delete.execute(&mut aside).await.unwrap().rows_affected(), 1);
    let after = resumed(&database, &file, &Config::default()).await;
    after.sum_up().await.unwrap();
    assert_eq!(after.certificates_indexed(), before.certificates_indexed());
    assert_alike(&result(&after).await, &result(&before).await);
}
