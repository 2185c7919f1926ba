//! When those come back that nobody steers: learned from registrations, kept across restarts.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use offpeak::store::Learned;

/// 160 hours; clients renew by themselves after 80 of them.
const LIFE: i64 = 160 * HOUR;
/// These do so three hours later.
const LAG_HOURS: i64 = 83;

/// Registers ten days of short-lived certificates, hour by hour: many at three o'clock at first,
/// and then whenever the clients return, half of them a day late.
async fn ten_days(service: &Service) {
    let mut issued = vec![0_u64; 10 * 24];
    let mut n = 0;
    for hour in 0..issued.len() {
        if hour < 107 {
            issued[hour] = if hour % 24 == 3 { 60 } else { 4 };
        }
        for later in [LAG_HOURS, LAG_HOURS + 24] {
            let back = hour + usize::try_from(later).unwrap();
            if back >= 107 && back < issued.len() {
                issued[back] += issued[hour] / 2;
            }
        }
        let now = NOW + i64::try_from(hour).unwrap() * HOUR;
        let fresh: Vec<_> = (n..n + issued[hour])
            .map(|n| super::issued(n, now + 17 * MINUTE, LIFE))
            .collect();
        n += issued[hour];
        service.clock.set(now + 20 * MINUTE);
        service.engine.register(&fresh, None).await.unwrap();
        // None of them polls: after a day they are known not to follow.
        service.engine.sweep();
    }
    service.clock.set(NOW + 10 * DAY);
}

/// The share that returns after so many hours.
fn share(engine: &Engine, lag_hours: i64) -> f64 {
    let returns = engine.returns(&CaName::default()).unwrap();
    let lags = returns.lags(LIFE);
    let there = lags.filter(|(lag, _)| *lag == lag_hours * HOUR);
    there.map(|(_, share)| share).sum()
}

#[tokio::test]
async fn late_returns_are_learned_shown_and_kept_across_restarts() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let engine = &service.engine;
        ten_days(&service).await;
        assert!(share(engine, 80) > 0.49, "nothing learned yet");
        let recorder = PrometheusBuilder::new().build_recorder();
        for _ in 0..6 {
            let lessons = metrics::with_local_recorder(&recorder, || engine.learn_returns());
            engine.keep(&lessons).await.unwrap();
        }
        for lag_hours in [LAG_HOURS, LAG_HOURS + 24] {
            let half = share(engine, lag_hours);
            assert!((half - 0.5).abs() < 0.1, "{half} after {lag_hours} h");
        }
        let shown = recorder.handle().render();
        let of = |name: &str| -> f64 {
            let gauge = format!("{name}{{ca=\"default\",life_class=\"272\"}} ");
            let value = shown.lines().find_map(|line| line.strip_prefix(&gauge));
            value
                .unwrap_or_else(|| panic!("no {gauge} in {shown}"))
                .parse()
                .unwrap()
        };
        // Three hours, and for half of them a day more.
        assert!(
            (of("offpeak_returns_delay_hours") - 15.0).abs() < 1.0,
            "{shown}"
        );
        assert!(of("offpeak_returns_learned_ratio") > 0.9);
        assert!(of("offpeak_returns_share_ratio") > 0.8);
        // A level load, or a restart: nothing is forgotten.
        let restarted = replica(&database, Config::default()).await;
        // To the last digit but one: JSON's readers round.
        for lag_hours in [80, LAG_HOURS, LAG_HOURS + 24] {
            let (before, after) = (
                share(engine, lag_hours),
                share(&restarted.engine, lag_hours),
            );
            assert!(
                (before - after).abs() < 1e-9,
                "{before} {after} after {lag_hours} h"
            );
        }
        let kept = restarted.engine.returns(&CaName::default());
        restarted.clock.set(NOW + 10 * DAY);
        assert_eq!(restarted.engine.learn_returns(), []);
        assert_eq!(restarted.engine.returns(&CaName::default()), kept);
    }
}

#[tokio::test]
async fn lessons_that_cannot_be_read_are_learned_anew() {
    let database = Database::Sqlite(fresh_sqlite());
    let service = replica(&database, Config::default()).await;
    let lesson = |ca: &str, body: &str| Learned {
        ca: ca.parse().unwrap(),
        name: "returns".to_owned(),
        body: body.to_owned(),
    };
    let lessons = [
        lesson("default", r#"{"version":2,"classes":{}}"#),
        lesson("gone", r#"{"version":1,"classes":{}}"#),
    ];
    service.engine.keep(&lessons).await.unwrap();
    let restarted = replica(&database, Config::default()).await;
    assert!((share(&restarted.engine, 80) - 0.5).abs() < 1e-9);
}
