//! What polls show: kept over restarts and shared by replicas.

use super::*;

/// The metrics of one CA after a sweep.
fn shown(engine: &Engine) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || engine.sweep());
    recorder.handle().render()
}

/// The value of a metric's line.
fn value(shown: &str, name: &str) -> f64 {
    let line = shown.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {shown}"))
        .trim()
        .parse()
        .unwrap()
}

const POLLED: &str = "offpeak_polled_share{ca=\"default\"}";
const DAILY: &str = "offpeak_rhythm_share{ca=\"default\",rhythm=\"daily\"}";
const UNKNOWN: &str = "offpeak_rhythm_share{ca=\"default\",rhythm=\"unknown\"}";
const KEPT: &str = "offpeak_windows_kept_share{ca=\"default\"}";

/// Certificate `n` is asked for on each of so many days, at 03:15.
async fn ask_daily(service: &Service, n: u64, days: i64) {
    let first = NOW + 17 * HOUR + 15 * MINUTE;
    for day in 0..days {
        service.clock.set(first + day * DAY);
        window(&service.engine, n).await;
    }
}

#[tokio::test]
async fn rhythms_outlive_a_restart_and_reach_replicas() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let other = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let both = [ninety_days(1), ninety_days(2)];
        engine.register(&both, None).await.unwrap();
        other.engine.catch_up().await.unwrap();
        ask_daily(&service, 1, 5).await;
        let metrics = shown(engine);
        assert!((value(&metrics, POLLED) - 0.5).abs() < 1e-9, "{metrics}");
        assert!((value(&metrics, DAILY) - 1.0).abs() < 1e-9, "{metrics}");
        let queries = engine.store().queries_run();
        engine.note_polls().await.unwrap();
        assert!(engine.store().queries_run() > queries);
        other.engine.catch_up().await.unwrap();
        let restarted = replica(&database, Config::default()).await;
        for engine in [&other.engine, &restarted.engine] {
            let metrics = shown(engine);
            assert!((value(&metrics, POLLED) - 0.5).abs() < 1e-9, "{metrics}");
            assert!((value(&metrics, DAILY) - 1.0).abs() < 1e-9, "{metrics}");
            // What was told is not told on.
            let queries = engine.store().queries_run();
            engine.note_polls().await.unwrap();
            assert_eq!(engine.store().queries_run(), queries);
        }
        // More of the same says nothing new.
        ask_daily(&service, 1, 9).await;
        engine.sweep();
        let queries = engine.store().queries_run();
        engine.note_polls().await.unwrap();
        assert_eq!(engine.store().queries_run(), queries);
    }
}

#[tokio::test]
async fn a_replacement_inherits_the_rhythm_of_what_it_replaces() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        engine.register(&[ninety_days(1)], None).await.unwrap();
        ask_daily(&service, 1, 5).await;
        let now = engine.now();
        let named = Submission {
            replaces: Some(certid(1)),
            ..issued(2, now, 90 * DAY)
        };
        engine.register(&[named], None).await.unwrap();
        engine.catch_up().await.unwrap();
        let metrics = shown(engine);
        assert!(
            value(&metrics, POLLED) < 1e-9,
            "nobody has asked: {metrics}"
        );
        // One poll at the tick, and it is known; another fresh certificate needs days.
        engine
            .register(&[issued(3, now, 90 * DAY)], None)
            .await
            .unwrap();
        service.clock.set(now + DAY);
        window(engine, 2).await;
        window(engine, 3).await;
        let metrics = shown(engine);
        assert!((value(&metrics, DAILY) - 0.5).abs() < 1e-9, "{metrics}");
        assert!((value(&metrics, UNKNOWN) - 0.5).abs() < 1e-9, "{metrics}");
    }
}

#[tokio::test]
async fn windows_kept_and_broken_are_measured_once() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        let many = 40;
        let all: Vec<Submission> = (0..many).map(|n| issued(n, NOW, 6 * DAY)).collect();
        engine.register(&all, None).await.unwrap();
        // Six-hourly; half of them go on asking as if there had been no window.
        let mut last_window = NOW;
        for poll in 0..24 {
            let at = NOW + poll * 6 * HOUR;
            service.clock.set(at);
            for n in 0..many {
                let window = engine.renewal_info(&certid(n)).await;
                let Ok(window) = window.map(|info| info.window) else {
                    continue;
                };
                last_window = last_window.max(window.to);
            }
            engine.sweep();
        }
        assert!(last_window < NOW + 3 * DAY);
        let broken = value(&shown(engine), KEPT);
        // 18 of 20 assumed, and none of 40 that were judged half a week ago at most.
        assert!(broken > 18.0 / 60.0 && broken < 0.45, "{broken}");
        engine.note_polls().await.unwrap();
        let restarted = replica(&database, Config::default()).await;
        restarted.clock.set(engine.now());
        let again = value(&shown(&restarted.engine), KEPT);
        assert!((again - broken).abs() < 0.05, "{again} and {broken}");
    }
}
