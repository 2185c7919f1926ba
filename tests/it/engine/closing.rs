//! Windows before any load, and windows under rules that come and go.

use super::*;

#[tokio::test]
async fn a_certificate_has_its_window_before_any_load_was_observed() {
    for database in databases().await {
        let service = replica(&database, Config::default()).await;
        let ca = CaName::default();
        assert!(!service.engine.profile(&ca).unwrap().knows_anything());
        let observed = service.engine.profile(&ca).unwrap().data;
        assert_eq!(observed, None, "nothing was observed");
        service
            .engine
            .register(&[ninety_days(1)], None)
            .await
            .unwrap();
        let given = window(&service.engine, 1).await;
        assert!(given.from > NOW + 50 * DAY && given.to < NOW + 60 * DAY);
        // And it is in the forecast as steered load.
        let outlook = service.engine.outlook(&ca).await.unwrap().unwrap();
        let ahead = outlook.slots.iter().filter(|slot| slot.load.steered > 0.0);
        let ahead: Vec<Span> = ahead.map(|slot| slot.span).collect();
        assert!(!ahead.is_empty());
        assert!(
            ahead.iter().all(|slot| slot.overlap_seconds(given) > 0),
            "{ahead:?}"
        );
        // Load that is seen later leaves it as it is.
        service.clock.set(NOW + DAY);
        service.engine.learn();
        assert_eq!(window(&service.engine, 1).await, given);
    }
}

fn with_rule(rule: &str) -> Config {
    Config::parse(&format!("[[ca]]\nname = \"default\"\n{rule}")).unwrap()
}

/// How many of the windows of certificates `numbers` reach into the last ten minutes of an hour,
/// and how many begin in them.
async fn in_the_last_ten_minutes(
    engine: &Arc<Engine>,
    numbers: std::ops::Range<u64>,
) -> (u32, u32) {
    let (mut reaching, mut beginning) = (0, 0);
    for n in numbers {
        let window = window(engine, n).await;
        let hour = Timestamp::from_unix(window.from.slot(HOUR) * HOUR);
        let shut = Span {
            from: hour + 50 * MINUTE,
            to: hour + HOUR,
        };
        reaching += u32::from(window.overlap_seconds(shut) > 0);
        beginning += u32::from(shut.contains(window.from));
    }
    (reaching, beginning)
}

#[tokio::test]
async fn a_rule_that_is_reloaded_holds_for_every_new_window_until_it_goes() {
    let database = Database::Sqlite(fresh_sqlite());
    let open = with_rule("");
    let closing = with_rule(
        "[[ca.capacity]]\ncron = \"50 * * * *\"\ntime_zone = \"Europe/Prague\"\n\
         duration = \"10m\"\ncapacity = 0\n",
    );
    let service = replica(&database, open.clone()).await;
    let engine = &service.engine;
    let register = async |numbers: std::ops::Range<u64>| {
        // Lives of all kinds: days, a few days, a few hours, and bands that are over.
        let submissions: Vec<Submission> = numbers
            .map(|n| match n % 5 {
                0 => ninety_days(n),
                1 => issued(n, NOW, 6 * DAY),
                2 => issued(n, NOW, 8 * HOUR),
                3 => issued(n, NOW - 70 * DAY, 90 * DAY),
                _ => issued(n, NOW - 89 * DAY, 90 * DAY),
            })
            .collect();
        let verdicts = engine.register(&submissions, None).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
    };
    register(0..500).await;
    let (_, beginning) = in_the_last_ten_minutes(engine, 0..500).await;
    assert!(beginning > 30, "{beginning} of 500 where a sixth would");
    engine.reconfigure(closing).await.unwrap();
    register(500..1_000).await;
    let closed = in_the_last_ten_minutes(engine, 500..1_000).await;
    assert_eq!(closed, (0, 0), "to the minute");
    for n in 500..520 {
        let explained = engine.explain(&certid(n)).await.unwrap().unwrap();
        assert_eq!(explained["derivationMatches"], true, "{explained:#}");
    }
    // Windows given before are not touched by the rule alone.
    assert_eq!(in_the_last_ten_minutes(engine, 0..500).await.1, beginning);
    engine.reconfigure(open).await.unwrap();
    register(1_000..1_500).await;
    let (_, again) = in_the_last_ten_minutes(engine, 1_000..1_500).await;
    assert!(again > 30, "{again} of 500 where a sixth would");
}

#[tokio::test]
async fn a_planned_event_of_the_file_is_in_the_forecast_and_in_the_tables() {
    let database = Database::Sqlite(fresh_sqlite());
    let from = NOW + 58 * DAY;
    let to = from + HOUR;
    let config = with_rule(&format!(
        "[[ca.planned]]\nfrom = {from}\nto = {to}\ncertificates = 30000\n"
    ));
    let event = Span { from, to };
    let service = replica(&database, config).await;
    let outlook = service
        .engine
        .outlook(&CaName::default())
        .await
        .unwrap()
        .unwrap();
    for slot in &outlook.slots {
        let planned = if slot.span == event { 30_000.0 } else { 0.0 };
        assert!((slot.load.expected() - planned).abs() < 1e-6, "{slot:?}");
    }
    // Two hours before the event and so on: the band of those issued four hours ago holds it.
    let issued: Vec<Submission> = (0..300)
        .map(|n| issued(n, NOW - DAY - 10 * HOUR, 90 * DAY))
        .collect();
    service.engine.register(&issued, None).await.unwrap();
    let (mut inside, mut beside) = (0, 0);
    for n in 0..300 {
        let window = window(&service.engine, n).await;
        inside += u32::from(event.contains(window.from));
        beside += u32::from((window.from - from).abs() < 4 * HOUR);
    }
    assert_eq!(inside, 0);
    assert!(beside > 20, "the band holds the hours beside it: {beside}");
}
