//! Restarts with the index's file: what it answers, what it waits for, and files of no use.

use std::path::Path;

use futures_util::FutureExt as _;
use offpeak::domain::moves::amendment::Amendment;
use offpeak::domain::moves::incident::{Incident, Kind, State};
use offpeak::engine::{EngineError, Intent};
use offpeak::store::{StoreError, prepare};

use super::*;

/// A process that keeps its index in a file.
async fn resumed(database: &Database, file: &Path, now: Timestamp) -> Service {
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(now));
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let engine = Engine::resume(store, Config::default(), as_clock, file.to_owned())
        .await
        .unwrap();
    Service { engine, clock }
}

async fn registered(engine: &Engine, numbers: std::ops::Range<u64>) {
    let submissions: Vec<Submission> = numbers.map(ninety_days).collect();
    let verdicts = engine.register(&submissions, None).await.unwrap();
    assert!(verdicts.iter().all(|one| *one == Verdict::Accepted));
}

fn promised(engine: &Engine) -> f64 {
    engine.windows_promised(Span {
        from: NOW,
        to: NOW + 90 * DAY,
    })
}

/// Registers forty, writes the file, registers ten more and removes one.
async fn lived(database: &Database, file: &Path) -> Vec<Span> {
    let service = resumed(database, file, NOW).await;
    let engine = &service.engine;
    assert!(engine.is_summed(), "there was no file");
    registered(engine, 0..40).await;
    engine.keep_snapshot().await.unwrap();
    registered(engine, 40..50).await;
    assert_eq!(engine.remove(&[certid(7)]).await.unwrap(), 1);
    let mut windows = Vec::new();
    for n in (0..50).filter(|n| *n != 7) {
        windows.push(window(engine, n).await);
    }
    windows
}

#[tokio::test]
async fn the_file_answers_at_once_with_all_that_came_after_it() {
    for database in databases().await {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        let windows = lived(&database, &file).await;
        let service = resumed(&database, &file, NOW + HOUR).await;
        let engine = &service.engine;
        assert!(!engine.is_summed());
        assert_eq!(engine.certificates_indexed(), 49);
        for (n, want) in (0..50).filter(|n| *n != 7).zip(&windows) {
            assert_eq!(window(engine, n).await, *want, "{n}");
        }
        let removed = engine.renewal_info(&certid(7)).await;
        assert_eq!(removed.unwrap_err(), Miss::UnknownSerial);
        let degraded = engine.readiness().degraded;
        assert!(
            degraded.iter().any(|one| one.contains("summed")),
            "{degraded:?}"
        );
        // Who registers waits: a window drawn without the ledger would be the next peak.
        let submissions = [ninety_days(50)];
        let mut registering = Box::pin(engine.register(&submissions, None));
        assert!(registering.as_mut().now_or_never().is_none());
        engine.sum_up().await.unwrap();
        assert!(engine.is_summed());
        assert!((promised(engine) - 49.0).abs() < 1e-9);
        assert_eq!(registering.await.unwrap(), [Verdict::Accepted]);
        assert!((promised(engine) - 50.0).abs() < 1e-9);
        assert_eq!(engine.certificates_indexed(), 50);
        for (n, want) in (0..50).filter(|n| *n != 7).zip(&windows) {
            assert_eq!(window(engine, n).await, *want, "{n}");
        }
    }
}

#[tokio::test]
async fn a_file_of_no_use_is_left_and_all_is_summed_from_the_store() {
    let spoil = |file: &Path, at: usize| {
        let mut bytes = std::fs::read(file).unwrap();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1;
        std::fs::write(file, bytes).unwrap();
    };
    for case in [
        "cut off",
        "changed",
        "another version",
        "another database",
        "old",
    ] {
        let database = Database::Sqlite(fresh_sqlite());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index");
        let windows = lived(&database, &file).await;
        let mut now = NOW + HOUR;
        match case {
            "cut off" => {
                let bytes = std::fs::read(&file).unwrap();
                std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
            }
            "changed" => spoil(&file, 200),
            "another version" => spoil(&file, 7),
            "another database" => spoil(&file, 9),
            _ => now = NOW + 21 * HOUR,
        }
        let service = resumed(&database, &file, now).await;
        assert!(service.engine.is_summed(), "{case}");
        assert!((promised(&service.engine) - 49.0).abs() < 1e-9, "{case}");
        assert_eq!(window(&service.engine, 3).await, windows[3], "{case}");
    }
}

#[tokio::test]
async fn a_file_from_another_division_of_issuers_is_left() {
    let database = Database::Sqlite(fresh_sqlite());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    lived(&database, &file).await;
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let name: CaName = "other".parse().unwrap();
    let mut config = Config::default();
    config.cas.insert(0, CaPolicy::named(name));
    let clock = Arc::new(ManualClock::at(NOW + HOUR));
    let engine = Engine::resume(store, config, clock, file).await.unwrap();
    assert!(engine.is_summed());
    assert_eq!(engine.certificates_indexed(), 49);
}

#[tokio::test]
async fn what_polls_have_shown_is_in_the_file() {
    let database = Database::Sqlite(fresh_sqlite());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    {
        let service = resumed(&database, &file, NOW).await;
        registered(&service.engine, 0..2).await;
        window(&service.engine, 0).await;
        service.engine.keep_snapshot().await.unwrap();
    }
    // Nothing was told to the store.
    let service = resumed(&database, &file, NOW + 19 * HOUR).await;
    assert!(!service.engine.is_summed());
    service.engine.sum_up().await.unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || service.engine.sweep());
    let shown = recorder.handle().render();
    let polled = "offpeak_polled_share{ca=\"default\"} 0.5";
    assert!(shown.contains(polled), "{shown}");
}

#[tokio::test]
async fn what_the_file_holds_is_answered_without_the_store() {
    let database = Database::Sqlite(fresh_sqlite());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    let service = resumed(&database, &file, NOW).await;
    registered(&service.engine, 0..20).await;
    let ca = CaName::default();
    let mut drill = Incident::draft(Kind::Drill, ca, "drill".to_owned(), NOW);
    drill.renew_by = Some(NOW + DAY);
    let drafted = service
        .engine
        .create_incident(drill, Intent::InEarnest)
        .await
        .unwrap();
    let open = Amendment {
        state: Some(State::Open),
        ..Amendment::default()
    };
    let id = drafted.incident.id;
    let opened = service.engine.amend_incident(id, &open, Intent::InEarnest);
    opened.await.unwrap();
    let published = service.engine.publish().await.unwrap();
    service.engine.keep_snapshot().await.unwrap();
    let mut given = Vec::new();
    for n in 0..20 {
        given.push(service.engine.renewal_info(&certid(n)).await.unwrap());
    }

    // A day and more later: too old for a start with the store, and better than nothing here.
    let away = "postgres://nobody@localhost/nothing?host=/nowhere";
    let store = prepare(away, Migrations::RefusePending).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW + 30 * HOUR));
    let engine = Engine::resume(store, Config::default(), clock, file.clone())
        .await
        .unwrap();
    for (n, given) in (0..20).zip(&given) {
        let now = engine.renewal_info(&certid(n)).await.unwrap();
        assert_eq!(now.window, given.window);
        assert!(now.incident, "it is open");
    }
    assert_eq!(engine.publication(), Some(published));
    let readiness = engine.readiness();
    assert!(readiness.ready);
    let alone = |one: &String| one.contains("could not be reached at the start");
    assert!(readiness.degraded.iter().any(alone), "{readiness:?}");
    let unknown = engine.renewal_info(&certid(20)).await;
    assert_eq!(unknown.unwrap_err(), Miss::Busy);
    // Nobody knows when the store comes back: nothing is waited for.
    let submissions = [ninety_days(20)];
    let refused = engine.register(&submissions, None).now_or_never().unwrap();
    assert!(matches!(refused, Err(EngineError::NotSummed)));
    let asked = engine.certificate(&certid(0)).now_or_never().unwrap();
    assert!(matches!(
        asked,
        Err(EngineError::Store(StoreError::Unavailable { .. }))
    ));
    assert!(engine.join().await.is_err());
    // The file stays as it was: what is not summed is not kept.
    let before = std::fs::read(&file).unwrap();
    engine.keep_snapshot().await.unwrap();
    assert!(std::fs::read(&file).unwrap() == before);
}

#[tokio::test]
async fn a_file_of_another_database_is_left() {
    let [first, second] = [(); 2].map(|()| Database::Sqlite(fresh_sqlite()));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    lived(&first, &file).await;
    let service = resumed(&second, &file, NOW + HOUR).await;
    assert!(service.engine.is_summed());
    assert_eq!(service.engine.certificates_indexed(), 0);
}
