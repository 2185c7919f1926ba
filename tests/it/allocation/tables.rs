//! What tables cost, and how long they are kept.

use super::*;

#[test]
fn tables_in_use_are_bounded_however_many_kinds_of_certificates_there_are() {
    let mut policy = policy();
    policy.slot_seconds = 5 * MINUTE;
    policy.bands[0].length_seconds = 14 * DAY;
    let mut registry = Registry::new(policy, nothing_known());
    let mut most = 0;
    for n in 0..300 {
        let not_before = NOW + i64::try_from(n).unwrap() * 5 * MINUTE;
        registry.register(n, life(not_before, 90 * DAY), NOW, NOW);
        most = most.max(registry.allocator.slots_held());
    }
    // 300 tables of 14 × 288 slots would be 1,209,600.
    assert!(most > 1_000_000 && most <= 1 << 20, "{most} slots");
}

#[test]
fn a_life_of_decades_does_not_make_a_table_of_decades() {
    // Closed until three months after the band: the next open slot is one of the ten years after.
    let validity = life(NOW, 30 * 365 * DAY);
    let closed = Span {
        from: NOW,
        to: NOW + 20 * 365 * DAY + 90 * DAY,
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
    let mut registry = Registry::new(policy, nothing_known());
    let window = registry.register(1, validity, NOW, NOW).window;
    assert!(window.from >= closed.to && window.to <= validity.not_after);
    let slots = registry.tables[0].slots.len();
    assert!(slots <= 24 + 4_096, "{slots} slots");
}

#[test]
fn a_burst_of_lives_of_decades_widens_within_bounds() {
    let mut registry = Registry::new(policy(), nothing_known());
    let decades = 30 * 365 * DAY;
    // One a day for a year, and then a thousand at once.
    for n in 0..380 {
        let then = NOW - i64::try_from(n).unwrap() * DAY;
        registry.register(n, life(then, decades), then, then);
    }
    for n in 1_000..2_000 {
        registry.register(n, life(NOW, decades), NOW, NOW);
    }
    let most = registry.tables.iter().map(|table| table.slots.len()).max();
    assert!((25..=4_096).contains(&most.unwrap()), "{most:?} slots");
}

#[test]
fn a_table_is_kept_as_long_as_a_life_that_is_still_to_begin() {
    let mut registry = Registry::new(policy(), nothing_known());
    let validity = life(NOW + 300 * DAY, 90 * DAY);
    let drawn = registry.register(1, validity, NOW, NOW);
    assert!(drawn.table.unwrap().needed_until > validity.not_after + DAY);
}

#[test]
fn who_began_under_the_old_policy_leaves_no_table_to_the_new_one() {
    let mut registry = Registry::new(policy(), nothing_known());
    let open = registry.policy.clone();
    let validity = life(NOW, 90 * DAY);
    let minute_closed = |window: Span| (window.from.unix() / MINUTE % 60) >= 50;
    let closed = CaPolicy {
        capacity: vec![CapacityRule {
            when: When::Recurring {
                cron: Box::new("50 * * * *".parse().unwrap()),
                zone: chrono_tz::UTC,
                duration_seconds: 10 * MINUTE,
            },
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        }],
        ..policy()
    };
    let mut starts = |policy: &CaPolicy, n: u64| {
        registry.policy = policy.clone();
        registry.register(n, validity, NOW, NOW).window
    };
    let mut late = 0;
    for n in 0..200 {
        assert!(!minute_closed(starts(&closed, 2 * n)));
        late += usize::from(minute_closed(starts(&open, 2 * n + 1)));
    }
    // A sixth of 200 is 33.
    assert!(late > 10, "{late}");
}
