//! Closed spans and ceilings.

use super::*;

fn closed(from: Timestamp, to: Timestamp) -> CapacityRule {
    CapacityRule {
        when: When::Once(Span { from, to }),
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    }
}

#[test]
fn nothing_starts_inside_a_closed_span() {
    let band_end = NOW + 60 * DAY - 2 * HOUR;
    let spans = [
        Span {
            from: band_end - 20 * HOUR - 10 * MINUTE,
            to: band_end - 20 * HOUR,
        },
        Span {
            from: band_end - 9 * HOUR,
            to: band_end - 7 * HOUR,
        },
    ];
    let policy = CaPolicy {
        capacity: spans
            .iter()
            .map(|span| closed(span.from, span.to))
            .collect(),
        ..policy()
    };
    let mut registry = Registry::new(policy, nothing_known());
    for n in 0..5_000 {
        let window = registry.register(n, life(NOW, 90 * DAY), NOW, NOW).window;
        for span in spans {
            assert_eq!(window.overlap_seconds(span), 0, "{window:?} in {span:?}");
        }
        assert!(window.seconds() >= SHORTEST_WINDOW_SECONDS);
    }
}

#[test]
fn where_the_band_is_closed_windows_go_earlier_then_later_then_stay() {
    let band_end = NOW + 60 * DAY - 2 * HOUR;
    let validity = life(NOW, 90 * DAY);
    let drawn = |rules: Vec<CapacityRule>| {
        let policy = CaPolicy {
            capacity: rules,
            ..policy()
        };
        let mut registry = Registry::new(policy, nothing_known());
        let window = registry.register(1, validity, NOW, NOW).window;
        (window, registry.tables[0].reason)
    };
    let (window, _) = drawn(vec![closed(band_end - 2 * DAY, band_end + DAY)]);
    assert!(window.to <= band_end - 2 * DAY, "{window:?}");
    let (window, _) = drawn(vec![closed(NOW, band_end + DAY)]);
    assert!(window.from >= band_end + DAY, "{window:?}");
    assert!(window.to <= NOW + 87 * DAY + HOUR);
    let (window, reason) = drawn(vec![closed(NOW, NOW + 100 * DAY)]);
    assert_eq!(reason, Reason::NothingOpen);
    assert!(window.from >= band_end - 26 * HOUR && window.to <= band_end + HOUR);
}

#[test]
fn ceilings_hold_where_another_hour_has_room() {
    let band_end = NOW + 60 * DAY - 2 * HOUR;
    let low = Span {
        from: band_end - 6 * HOUR,
        to: band_end - 4 * HOUR,
    };
    let policy = CaPolicy {
        capacity: vec![CapacityRule {
            when: When::Once(low),
            share: 1.0,
            ceiling_per_hour: Some(30.0),
            name: None,
        }],
        follow_prior: 1.0,
        ..policy()
    };
    let mut registry = Registry::new(policy, nothing_known());
    for n in 0..6_000 {
        registry.register(n, life(NOW, 90 * DAY), NOW, NOW);
    }
    let taken = registry.allocator.ledger.windows(low);
    // 60, a table's least quota, and what runs over from the hour before.
    assert!(taken < 150.0, "{taken:.0} of 6,000 where 60 may be");
}

/// A rule that closes `minutes` from each minute `minute` of every `every`-th hour.
fn recurring(minute: i64, every: i64, minutes: i64) -> CapacityRule {
    CapacityRule {
        when: When::Recurring {
            cron: Box::new(format!("{minute} */{every} * * *").parse().unwrap()),
            zone: chrono_tz::Europe::Prague,
            duration_seconds: minutes * MINUTE,
        },
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    /// Whatever is closed, no window starts inside it or reaches into it, of lives long and short,
    /// fresh and late; unless nothing is open at all.
    #[test]
    fn no_window_touches_a_closed_span(
        rules in proptest::collection::vec((0..60_i64, 1..5_i64, 1..45_i64), 1..3),
        once in (0..80 * 24_i64, 1..300_i64),
        life_hours in proptest::sample::select(vec![2_i64, 8, 20, 144, 1_080, 2_160]),
        age in 0.0..0.9_f64,
        slot in proptest::sample::select(vec![300_i64, 900, 3_600]),
    ) {
        let mut capacity: Vec<CapacityRule> = rules
            .iter()
            .map(|(minute, every, minutes)| recurring(*minute, *every, *minutes))
            .collect();
        let (from, minutes) = (NOW + once.0 * HOUR, once.1);
        capacity.push(closed(from, from + minutes * MINUTE));
        let policy = CaPolicy { capacity: capacity.clone(), slot_seconds: slot, ..policy() };
        let mut registry = Registry::new(policy, nothing_known());
        let life_seconds = life_hours * HOUR;
        let issued = NOW - whole(age * real(life_seconds));
        for n in 0..40 {
            let drawn = registry.register(n, life(issued, life_seconds), issued, NOW);
            let window = drawn.window;
            let reach = Span { from: window.from - DAY, to: window.to + DAY };
            let shut = offpeak::domain::policy::capacity::closed_within(&capacity, reach);
            let nothing_open = match drawn.basis {
                Basis::Table(_) => drawn.reason == Some(Reason::NothingOpen),
                Basis::Tick(_) => false,
                Basis::Plain(starts) | Basis::Span(starts) => {
                    offpeak::domain::allocation::window::open_starts(starts, &shut).is_empty()
                }
            };
            // A certificate that ends within a closed span ends its window there.
            let overlap: i64 = shut.iter().map(|span| span.overlap_seconds(window)).sum();
            proptest::prop_assert!(overlap == 0 || nothing_open, "{window:?} {shut:?}");
        }
    }
}
