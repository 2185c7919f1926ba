//! What windows keep out of: hours without room, planned events, the first of the month.

use super::*;
use offpeak::domain::client::following::SILENT_FOLLOWS;
use offpeak::domain::demand::observation::Observation;
use offpeak::domain::policy::planned::Planned;

fn hour(from: Timestamp, n: i64) -> Span {
    Span {
        from: from + n * HOUR,
        to: from + (n + 1) * HOUR,
    }
}

/// What stands in an hour, as the ledger sees it.
fn load(registry: &Registry, span: Span, now: Timestamp) -> f64 {
    let prior = registry.policy.follow_prior;
    let view = View {
        now,
        prior,
        profile: &registry.profile,
        life_seconds: 90 * DAY,
    };
    let ledger = &registry.allocator.ledger;
    ledger.promised(span) + ledger.unsteered(span, &view)
}

#[test]
fn no_hour_is_steered_above_its_ceiling_while_another_has_room() {
    // Everybody follows, two days at 6,000 an hour; the third day is looked at. The even hours of
    // each day take 3,000 at most, the odd ones 20,000.
    let day = NOW + 60 * DAY;
    let ceiling = |hours: &str, per_hour: f64| CapacityRule {
        when: When::Recurring {
            cron: Box::new(format!("0 {hours} * * *").parse().unwrap()),
            zone: chrono_tz::UTC,
            duration_seconds: HOUR,
        },
        share: 1.0,
        ceiling_per_hour: Some(per_hour),
        name: None,
    };
    let policy = CaPolicy {
        capacity: vec![ceiling("*/2", 3_000.0), ceiling("1-23/2", 20_000.0)],
        follow_prior: 1.0,
        ..policy()
    };
    let mut registry = Registry::new(policy, four_weeks(&[0.0; 24]));
    registry.each = 100;
    for n in 0..48 * 60 {
        let at = NOW + i64::try_from(n).unwrap() * 60;
        registry.register(n, life(at, 90 * DAY), at, at);
    }
    let loads: Vec<f64> = (0..24)
        .map(|n| load(&registry, hour(day, n), NOW + 2 * DAY))
        .collect();
    for (n, load) in loads.iter().enumerate() {
        let ceiling = if n % 2 == 0 { 3_000.0 } else { 20_000.0 };
        // Draws stand for twenty: 20 √150 of chance, four times.
        assert!(
            *load <= ceiling + 4.0 * 245.0,
            "hour {n}: {load:.0} of {ceiling:.0}"
        );
    }
    let odd: f64 = loads.iter().skip(1).step_by(2).sum::<f64>() / 12.0;
    assert!(
        odd > 6_000.0,
        "what the even hours cannot take goes to the odd ones: {odd:.0}"
    );
}

#[test]
fn windows_avoid_the_hour_of_a_planned_event() {
    // 1,000 an hour come unsteered, and half of what is registered follows; the event of 30,000
    // lies in the middle of the day.
    let day = NOW + 60 * DAY;
    let event = hour(day, 2);
    let drawn = |planned: Vec<Planned>| {
        let policy = CaPolicy {
            follow_prior: 0.5,
            planned,
            ..policy()
        };
        let mut registry = Registry::new(policy, four_weeks(&[1_000.0; 24]));
        registry.each = 40;
        for n in 0..72 * 25 {
            let at = NOW + i64::try_from(n).unwrap() * 144;
            registry.register(n, life(at, 90 * DAY), at, at);
        }
        let windows = |n: i64| registry.allocator.ledger.windows(hour(day, n));
        (windows(2), windows(8))
    };
    let (before, other) = drawn(Vec::new());
    assert!(before > 500.0 && other > 500.0, "{before:.0} {other:.0}");
    let (after, other) = drawn(vec![Planned {
        span: event,
        certificates: 30_000.0,
    }]);
    // A window that begins late in the hour before runs over.
    assert!(after < 0.2 * before, "{after:.0} where {before:.0} were");
    assert!(other > 500.0, "{other:.0}");
}

/// When the certificates are issued whose band, which ends 60 days later less two hours, holds half
/// a day of 2026-12-31 and half of the first of January.
const BEFORE_THE_FIRST: Timestamp = Timestamp::from_unix(1_793_628_000);

/// A hundred days up to then, 1,000 an hour, and on each first of a month `times` as many.
fn firsts(times: u64) -> Profile {
    let mut series = Series::default();
    for number in 0..100 * 24_i64 {
        let at = BEFORE_THE_FIRST - 100 * DAY + number * HOUR;
        let is_first = at.to_string()[8..10] == *"01";
        let count = if is_first { 1_000 * times } else { 1_000 };
        series.add(&Observation {
            seconds: 3_600,
            ..Observation::plain(at, Source::Ca, Kind::Issued, count)
        });
    }
    Profile::learn(&series, BEFORE_THE_FIRST, HOUR, &[])
}

#[test]
fn bands_that_hold_a_first_of_a_month_put_fewer_windows_on_it() {
    let now = BEFORE_THE_FIRST;
    let first: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    // The share of windows on the first, where the registry holds so many an hour of those who
    // return unsteered.
    let share_on_it = |times: u64, held: f64| {
        let policy = CaPolicy {
            follow_prior: 0.5,
            ..policy()
        };
        let mut registry = Registry::new(policy, firsts(times));
        for n in 1..100 * 24_i64 {
            let issued_at = now - n * HOUR;
            registry.allocator.ledger.book_cohort(&Cohort {
                windows: Windows::One(hour(issued_at + 60 * DAY, 0), Response::default()),
                issued_at,
                life_seconds: 90 * DAY,
                follows: Some(SILENT_FOLLOWS),
                certificates: held,
            });
        }
        registry.each = 5;
        // Handed in two hours late: the whole band is filled level at once.
        let late = now + 2 * HOUR;
        let starts = (0..500).map(|n| registry.register(n, life(now, 90 * DAY), now, late).window);
        let on_it = starts.filter(|window| window.from >= first).count();
        real_len(on_it) / 500.0
    };
    assert!((firsts(1).overlay_at(first) - 1.0).abs() < 1e-9);
    let overlay = firsts(2).overlay_at(first);
    assert!((overlay - 2.0).abs() < 0.1, "{overlay}");
    assert!((firsts(2).overlay_at(first + DAY) - 1.0).abs() < 1e-9);
    for held in [1.0, 1_000.0] {
        let without = share_on_it(1, held);
        let with = share_on_it(2, held);
        assert!((without - 0.5).abs() < 0.15, "{held} held: {without}");
        assert!(
            with < without / 3.0,
            "{held} held: {with} where {without} were"
        );
    }
}
