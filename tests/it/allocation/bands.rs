//! Where in a life a window may be.

use super::*;

#[test]
fn bands_end_just_before_clients_renew_by_themselves() {
    let table: [(&str, i64, i64, i64, i64); 6] = [
        // life, seconds; slot seconds; band end and length in seconds from notBefore
        ("398 d", 398 * DAY, HOUR, 398 * DAY * 2 / 3 - 2 * HOUR, DAY),
        ("90 d", 90 * DAY, HOUR, 60 * DAY - 2 * HOUR, DAY),
        ("47 d", 47 * DAY, HOUR, 47 * DAY * 2 / 3 - 2 * HOUR, DAY),
        ("10 d", 10 * DAY, HOUR, 10 * DAY * 2 / 3 - 2 * HOUR, DAY),
        ("160 h", 160 * HOUR, 15 * MINUTE, 160 * HOUR * 49 / 100, DAY),
        (
            "12 h",
            12 * HOUR,
            15 * MINUTE,
            12 * HOUR * 49 / 100,
            12 * HOUR * 15 / 100,
        ),
    ];
    for (name, seconds, slot, end, long) in table {
        let placed = place(&policy(), life(NOW, seconds), NOW, NOW).unwrap();
        let Place::Slots(Arrival::Fresh, range) = placed else {
            panic!("{name}: {placed:?}");
        };
        assert_eq!(range.slot_seconds, slot, "{name}");
        let slack = (NOW + end) - range.to();
        assert!((0..slot).contains(&slack), "{name}: ends {slack} s early");
        assert_eq!(range.to() - range.from(), long / slot * slot, "{name}");
        assert!(range.from() >= NOW + seconds / 5, "{name}");
        let reserve = (seconds / 10).min(3 * DAY);
        assert!(range.to() <= NOW + seconds - reserve, "{name}");
    }
}

#[test]
fn lives_of_hours_have_windows_without_slots() {
    for (seconds, at_least) in [
        (12 * HOUR - 1, SHORTEST_WINDOW_SECONDS),
        (6 * HOUR, SHORTEST_WINDOW_SECONDS),
        (70 * MINUTE, SHORTEST_WINDOW_SECONDS),
        (60 * MINUTE, 8 * MINUTE),
        (10 * MINUTE, 80),
    ] {
        let mut registry = Registry::new(policy(), nothing_known());
        let validity = life(NOW, seconds);
        for n in 0..200 {
            let Drawn { window, basis, .. } = registry.register(n, validity, NOW, NOW);
            assert!(matches!(basis, Basis::Span(_)));
            assert!(window.seconds() >= at_least, "{seconds}: {window:?}");
            assert!(window.from >= NOW + seconds / 5);
            assert!(window.to <= NOW + seconds * 49 / 100 + 1, "{seconds}");
        }
    }
    assert!(place(&policy(), life(NOW, 599), NOW, NOW).is_err());
}

#[test]
fn a_band_that_is_over_gives_the_next_day_before_the_reserve() {
    let policy = policy();
    // Margin: 1.2 × 6 h of polling.
    let seen = NOW + 432 * MINUTE;
    for age_days in [61, 70, 80, 85] {
        let issued = NOW - age_days * DAY;
        let mut registry = Registry::new(policy.clone(), nothing_known());
        for n in 0..100 {
            let window = registry
                .register(n, life(issued, 90 * DAY), issued, NOW)
                .window;
            assert!(window.from >= seen, "{age_days}: {window:?}");
            assert!(window.from <= seen + DAY + HOUR, "{age_days}: {window:?}");
            assert!(window.from <= issued + 87 * DAY, "{age_days}: {window:?}");
        }
    }
    // In the reserve itself, down to the last minute.
    for left in [2 * DAY, 6 * HOUR, HOUR, 10 * MINUTE, MINUTE, 5] {
        let issued = NOW + left - 90 * DAY;
        let mut registry = Registry::new(policy.clone(), nothing_known());
        for n in 0..100 {
            let window = registry
                .register(n, life(issued, 90 * DAY), issued, NOW)
                .window;
            assert!(
                window.from > NOW && window.from < window.to,
                "{left}: {window:?}"
            );
            assert!(window.to < issued + 90 * DAY, "{left}: {window:?}");
        }
    }
}

#[test]
fn a_window_after_the_client_s_own_rule_is_no_proof_of_a_replacement() {
    // A fleet that renews by ARI alone, at 0.8 of its certificates' lives.
    let mut policy = policy();
    policy.bands[0].end_fraction = 0.8;
    let mut registry = Registry::new(policy, nothing_known());
    let validity = life(NOW, 90 * DAY);
    let fresh = registry.register(1, validity, NOW, NOW);
    assert!(fresh.window.from > NOW + 60 * DAY && fresh.follows.is_some());
    let past = registry.register(2, validity, NOW, NOW + 73 * DAY);
    assert_eq!(past.follows, None);
}
