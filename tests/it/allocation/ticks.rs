//! Windows of clients that wake at ticks.

use offpeak::domain::client::schedule::Tick;
use offpeak::domain::policy::ca::BandRule;

use super::*;

/// One o'clock is busy; so many windows of clients with this schedule, by the hour of the tick that
/// each comes to.
fn ticks_of(schedule: Schedule, certificates: u64) -> [f64; 24] {
    let mut registry = Registry::new(policy(), four_weeks(&one_o_clock()));
    registry.schedule = schedule;
    let mut hours = [0.0; 24];
    for n in 0..certificates {
        let drawn = registry.register(n, life(NOW, 90 * DAY), NOW, NOW);
        assert!(matches!(drawn.basis, Basis::Tick(_)), "{:?}", drawn.basis);
        let tick = schedule.tick_from(drawn.window.to).unwrap();
        assert!(tick >= drawn.window.to + 5 * MINUTE, "{:?}", drawn.window);
        assert!(
            tick <= drawn.window.from + 55 * MINUTE,
            "{:?}",
            drawn.window
        );
        hours[usize::try_from(tick.second_of_day() / HOUR).unwrap()] += 1.0;
    }
    hours
}

fn half_past(hour: i64) -> Tick {
    Tick::at((hour * 60 + 30) * 2)
}

#[test]
fn a_client_that_wakes_in_the_busy_hour_comes_at_its_other_tick() {
    let tick = half_past(1);
    let hours = ticks_of(Schedule::TwiceDaily { tick }, 2_000);
    assert!(hours[1] < 100.0, "{hours:?}");
    assert!((hours[1] + hours[13] - 2_000.0).abs() < 0.5, "{hours:?}");
    let hours = ticks_of(Schedule::SixHourly { tick }, 2_000);
    assert!(hours[1] < 100.0, "{hours:?}");
    for hour in [7, 13, 19] {
        assert!(hours[hour] > 300.0, "{hours:?}");
    }
}

#[test]
fn an_hourly_client_spreads_over_all_hours_but_the_busy_one() {
    let tick = half_past(0);
    let hours = ticks_of(Schedule::Hourly { tick }, 5_000);
    assert!(hours[1] < 60.0, "{hours:?}");
    // The sooner an hour leaves the bands of whoever comes next, the more it is given.
    let shares = hours.iter().filter(|count| **count > 50.0);
    assert!(shares.count() >= 21, "{hours:?}");
}

#[test]
fn a_client_with_one_tick_in_a_band_of_a_day_keeps_it() {
    let hours = ticks_of(Schedule::Daily { tick: half_past(1) }, 50);
    assert!((hours[1] - 50.0).abs() < 0.5, "{hours:?}");
}

#[test]
fn a_tick_next_to_a_closed_span_is_not_used() {
    let band_end = NOW + 60 * DAY - 2 * HOUR;
    let tick = half_past(13);
    let evening = (NOW + 60 * DAY) - 24 * HOUR + 13 * HOUR + 30 * MINUTE;
    assert!(evening < band_end);
    // Closed until a quarter of an hour before the tick: its window would be inside.
    let span = Span {
        from: evening - 4 * HOUR,
        to: evening - 15 * MINUTE,
    };
    let policy = CaPolicy {
        capacity: vec![CapacityRule {
            when: When::Once(span),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        }],
        ..policy()
    };
    let mut registry = Registry::new(policy, nothing_known());
    registry.schedule = Schedule::TwiceDaily { tick };
    for n in 0..500 {
        let window = registry.register(n, life(NOW, 90 * DAY), NOW, NOW).window;
        assert_eq!(window.overlap_seconds(span), 0, "{window:?}");
        let next = registry.schedule.tick_from(window.to).unwrap();
        assert_eq!(next.second_of_day(), 90 * MINUTE, "{window:?}");
    }
}

#[test]
fn those_with_full_ticks_only_are_levelled_between_them() {
    // Both hours are busy, one more than the other.
    let mut shape = [50_000.0; 24];
    shape[1] = 110_000.0;
    shape[13] = 100_000.0;
    let mut registry = Registry::new(policy(), four_weeks(&shape));
    registry.schedule = Schedule::TwiceDaily { tick: half_past(1) };
    registry.each = 500;
    let mut at_one = 0;
    for n in 0..200 {
        let window = registry.register(n, life(NOW, 90 * DAY), NOW, NOW).window;
        let tick = registry.schedule.tick_from(window.to).unwrap();
        at_one += i32::from(tick.second_of_day() < 12 * HOUR);
    }
    assert!((1..100).contains(&at_one), "{at_one}");
}

#[test]
fn a_client_of_one_tick_comes_when_its_own_rule_would_bring_it() {
    let schedule = Schedule::Daily {
        tick: Tick::of(NOW),
    };
    let tick_under = |policy: CaPolicy| {
        let mut registry = Registry::new(policy, four_weeks(&one_o_clock()));
        registry.schedule = schedule;
        let window = registry.register(1, life(NOW, 90 * DAY), NOW, NOW).window;
        schedule.tick_from(window.to).unwrap()
    };
    // Not a day earlier, to which those come who were issued the day before.
    assert_eq!(tick_under(policy()), NOW + 60 * DAY);
    // If the CA has windows end long before that, in its band.
    let early = BandRule {
        end_fraction: 0.5,
        ..BandRule::DEFAULTS[0]
    };
    let early = tick_under(CaPolicy {
        bands: vec![early],
        ..policy()
    });
    assert!(early <= NOW + 45 * DAY, "{early}");
    assert!(early > NOW + 43 * DAY, "{early}");
}

#[test]
fn a_tick_after_the_band_is_not_taken_in_a_closed_span() {
    let own_rule = NOW + 60 * DAY;
    let closed = Span {
        from: own_rule - 30 * MINUTE,
        to: own_rule + 30 * MINUTE,
    };
    let policy = CaPolicy {
        capacity: vec![CapacityRule {
            when: When::Once(closed),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        }],
        ..policy()
    };
    let mut registry = Registry::new(policy, four_weeks(&one_o_clock()));
    registry.schedule = Schedule::TwiceDaily {
        tick: Tick::of(NOW),
    };
    for n in 0..200 {
        let window = registry.register(n, life(NOW, 90 * DAY), NOW, NOW).window;
        let tick = registry.schedule.tick_from(window.to).unwrap();
        assert_eq!(tick, own_rule - 12 * HOUR, "{window:?}");
    }
}

#[test]
fn nobody_is_called_to_a_tick_too_early_by_a_registry_s_first_windows() {
    let mut registry = Registry::new(policy(), nothing_known());
    registry.each = 100;
    for minute in 0..10 * 60 {
        let at = NOW + minute * MINUTE;
        registry.register(minute.unsigned_abs(), life(at, 90 * DAY), at, at);
    }
    let now = NOW + 10 * HOUR;
    for n in 0..2_000 {
        let window = registry
            .register(10_000 + n, life(now, 90 * DAY), now, now)
            .window;
        // A client of ten o'clock comes at ten of its own day.
        assert!(window.from >= now + 59 * DAY, "{window:?}");
        assert!(window.to <= now + 60 * DAY, "{window:?}");
    }
}
