//! How draws fall: in proportion, level, widened by bursts.

use super::*;

#[test]
fn ten_thousand_of_one_date_scatter_in_proportion() {
    for profile in [nothing_known(), four_weeks(&one_o_clock())] {
        let mut registry = Registry::new(policy(), profile);
        let mut counts = std::collections::BTreeMap::<Timestamp, (f64, f64)>::new();
        let mut of_table: Option<(usize, f64)> = None;
        for n in 0..10_000 {
            let drawn = registry.register(n, life(NOW, 90 * DAY), NOW, NOW);
            let slot = Timestamp::from_unix(drawn.window.from.slot(HOUR) * HOUR);
            counts.entry(slot).or_default().0 += 1.0;
            // Every draw adds its table's probabilities to what is to be expected.
            let table = registry.tables.last().unwrap();
            for (index, probability) in table.probabilities().iter().enumerate() {
                counts.entry(table.slot(index).from).or_default().1 += probability;
            }
            of_table = Some((registry.tables.len(), 0.0));
        }
        assert!(of_table.unwrap().0 > 1, "one table served all");
        let (drawn, expected): (Vec<f64>, Vec<f64>) = counts.values().copied().unzip();
        assert!(counts.len() >= 22);
        assert_in_proportion(&drawn, &expected);
    }
}

#[test]
fn starts_are_uniform_over_seconds_and_minutes() {
    let mut registry = Registry::new(policy(), nothing_known());
    let mut seconds = [0.0; 60];
    let mut minutes = [0.0; 60];
    let mut ends = [0.0; 60];
    for n in 0..20_000 {
        let window = registry.register(n, life(NOW, 90 * DAY), NOW, NOW).window;
        let second = |at: Timestamp| usize::try_from(at.unix().rem_euclid(60)).unwrap();
        seconds[second(window.from)] += 1.0;
        ends[second(window.to)] += 1.0;
        minutes[usize::try_from(window.from.unix().rem_euclid(HOUR) / 60).unwrap()] += 1.0;
        assert_eq!(window.seconds(), 15 * MINUTE);
    }
    for counts in [seconds, minutes, ends] {
        assert_in_proportion(&counts, &[20_000.0 / 60.0; 60]);
    }
}

#[test]
fn a_one_o_clock_peak_is_filled_up_to_a_level() {
    let prior = 0.5;
    let policy = CaPolicy {
        follow_prior: prior,
        ..policy()
    };
    let profile = four_weeks(&one_o_clock());
    assert!((profile.coefficient_at(NOW + HOUR) - 2.0).abs() < 0.1);
    let mut registry = Registry::new(policy, profile);
    // Three days of issuance in the observed shape, a hundredth of it drawn, each draw standing
    // for a hundred certificates.
    registry.each = 100;
    let mut n = 0;
    for hour in 0..72_i64 {
        let from = NOW + hour * HOUR;
        let shape = one_o_clock()[usize::try_from(from.second_of_day() / HOUR).unwrap()];
        let count = whole(shape / 100.0);
        for k in 0..count {
            let at = from + k * HOUR / count;
            let validity = life(at, 90 * DAY);
            registry.register(n, validity, at, at);
            n += 1;
        }
    }
    // The day in the middle is complete: no certificate to come has a slot there.
    let view = View {
        now: NOW + 72 * HOUR,
        prior,
        profile: &registry.profile,
        life_seconds: 90 * DAY,
    };
    let ledger = &registry.allocator.ledger;
    let mut windows = Vec::new();
    for hour in 0..24 {
        let from = NOW + 60 * DAY + 24 * HOUR + hour * HOUR;
        let slot = Span {
            from,
            to: from + HOUR,
        };
        let load = ledger.promised(slot) + ledger.unsteered(slot, &view);
        assert!(load <= 1.1 * 60_000.0, "hour {hour}: {load:.0}");
        windows.push(ledger.windows(slot));
    }
    let mean = windows.iter().sum::<f64>() / 24.0;
    assert!(
        windows[1] < mean / 2.0,
        "{:.0} at 01:00, mean {mean:.0}",
        windows[1]
    );
}

#[test]
fn where_a_registry_begins_no_hour_looks_empty() {
    let prior = 0.5;
    let policy = CaPolicy {
        follow_prior: prior,
        ..policy()
    };
    let mut registry = Registry::new(policy, four_weeks(&[60_000.0; 24]));
    registry.each = 500;
    // A day of issuance, from half past two in the afternoon on.
    let begins = NOW + 14 * HOUR + 30 * MINUTE;
    let count = 24 * 60_000 / 500;
    for n in 0..count {
        let at = begins + n * DAY / count;
        registry.register(n.cast_unsigned(), life(at, 90 * DAY), at, at);
    }
    let view = View {
        now: begins + DAY,
        prior,
        profile: &registry.profile,
        life_seconds: 90 * DAY,
    };
    // Who was issued before comes back as ever: half after 60 days and half after 61. So do those
    // who were issued since. None is counted twice.
    for hour in -24..46 {
        let from = NOW + 60 * DAY + (14 + hour) * HOUR;
        let slot = Span {
            from,
            to: from + HOUR,
        };
        let unsteered = registry.allocator.ledger.unsteered(slot, &view) / 60_000.0;
        let around = 0.85 * (1.0 - prior)..=1.15 * (1.0 - prior);
        let to_come = hour >= 24;
        assert!(
            around.contains(&unsteered) || to_come && unsteered < 1.0 - prior,
            "{unsteered:.3} at {from}"
        );
    }
}

#[test]
fn an_empty_registry_draws_uniformly_and_says_so() {
    let mut registry = Registry::new(policy(), nothing_known());
    let drawn = registry.register(1, life(NOW, 90 * DAY), NOW, NOW);
    let table = &registry.tables[0];
    assert_eq!(table.reason, Reason::NothingKnown);
    // What lies of the band in the last 24 h before the own rule, two hours after its end.
    assert_eq!(table.slots.len(), 22);
    assert!(
        table
            .probabilities()
            .iter()
            .all(|p| (p - 1.0 / 22.0).abs() < 1e-6)
    );
    assert_eq!(table.window(hash(1), NOW + 90 * DAY), drawn.window);
}

#[test]
fn ten_million_of_history_handed_in_at_once_are_spread_level() {
    let mut registry = Registry::new(policy(), nothing_known());
    // Ninety days of history in one import: 10.8 million certificates, 5,000 an hour, all issued at
    // one o'clock. A draw stands for 25, so the noise is that of 200 an hour.
    registry.each = 25;
    let mut n = 0;
    for day in 0..90 {
        let issued = NOW - day * DAY - 23 * HOUR;
        for _ in 0..4_800 {
            let drawn = registry.register(n, life(issued, 90 * DAY), issued, NOW);
            assert!(drawn.window.from > NOW, "a window that is already open");
            assert!(drawn.window.to <= issued + 90 * DAY);
            n += 1;
        }
    }
    // Bands still ahead: every hour of a day takes its share.
    for day in 5..55 {
        let from = NOW + day * DAY;
        let hours: Vec<f64> = (0..24)
            .map(|hour| {
                let from = from + hour * HOUR;
                registry.allocator.ledger.windows(Span {
                    from,
                    to: from + HOUR,
                })
            })
            .collect();
        let (least, most) = hours.iter().fold((f64::MAX, 0.0_f64), |(low, high), load| {
            (low.min(*load), high.max(*load))
        });
        assert!(
            least > 25.0 * 130.0 && most < 25.0 * 270.0,
            "day {day}: {least:.0} to {most:.0}"
        );
    }
    // Those whose band is over are spread as well, over the next day.
    assert!(
        registry
            .tables
            .iter()
            .any(|table| table.arrival == Arrival::Past)
    );
}

#[test]
fn a_burst_widens_its_band_once_there_is_a_week_to_hold_it_against() {
    let mut registry = Registry::new(policy(), four_weeks(&[600.0; 24]));
    let mut earliest = Timestamp::MAX;
    for n in 0..30_000 {
        let window = registry.register(n, life(NOW, 90 * DAY), NOW, NOW).window;
        earliest = earliest.min(window.from);
    }
    assert!(
        earliest < NOW + 58 * DAY,
        "the burst of 50 hours' load stayed in one day"
    );
    assert!(earliest >= NOW + 42 * DAY - 2 * HOUR, "0.2 L is the limit");
}

/// Slots of the band of a certificate issued now, where so many were issued so many hours ago and
/// nobody follows but three in ten, whose windows lie before the band.
fn slots_of_a_band_after(issued: impl Fn(i64) -> f64) -> usize {
    slots_of_a_band(policy(), 70 * 24, issued)
}

/// The same of a CA with a policy, whose registry began so many hours ago.
fn slots_of_a_band(policy: CaPolicy, began: i64, issued: impl Fn(i64) -> f64) -> usize {
    let mut registry = Registry::new(policy, nothing_known());
    for hours in 1..began {
        let issued_at = NOW - hours * HOUR;
        let from = issued_at + 20 * DAY;
        let to = from + 15 * MINUTE;
        registry.allocator.ledger.book_cohort(&Cohort {
            windows: Windows::One(Span { from, to }, Response::default()),
            issued_at,
            life_seconds: 90 * DAY,
            follows: Some(0.3),
            certificates: issued(hours),
        });
    }
    registry.register(1, life(NOW, 90 * DAY), NOW, NOW);
    registry.tables[0].slots.len()
}

#[test]
fn a_band_widens_where_others_come_in_it() {
    // Six hours of five times the usual load come back in this band, and not before it.
    let burst = slots_of_a_band_after(|hours| {
        if (12..18).contains(&hours) {
            500.0
        } else {
            100.0
        }
    });
    assert!(burst > 24, "{burst} slots");
    assert_eq!(slots_of_a_band_after(|_| 100.0), 24);
}

#[test]
fn no_band_widens_for_what_the_days_before_it_bear_as_well() {
    // Twice the usual load for the last three weeks: in none of the bands there is more room.
    let swell = |hours| if hours < 21 * 24 { 200.0 } else { 100.0 };
    assert_eq!(slots_of_a_band_after(swell), 24);
}

/// A CA that is closed for so many minutes from each match of a pattern on.
fn closed_at(pattern: &str, minutes: i64) -> CaPolicy {
    let rule = CapacityRule {
        when: When::Recurring {
            cron: Box::new(pattern.parse().unwrap()),
            zone: chrono_tz::UTC,
            duration_seconds: minutes * MINUTE,
        },
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    };
    CaPolicy {
        capacity: vec![rule],
        ..policy()
    }
}

#[test]
fn a_band_widens_until_closed_hours_raise_it_by_a_hundredth_at_most() {
    // Of the 100 that come in an hour 30 are steered. The band ends on a Tuesday at 22:00: four hours
    // closed in it raise the rest of a day to 106, that of three days to 101.8, that of four to 101.3,
    // and that of a week to 100.7.
    let slots = |policy: CaPolicy, began: i64| slots_of_a_band(policy, began, |_| 100.0);
    let tuesday = || closed_at("0 2 * * 2", 240);
    assert_eq!(slots(tuesday(), 70 * 24), 4 * 24);
    // One hour: 101.3, and 100.6 of two days.
    assert_eq!(slots(closed_at("0 2 * * 2", 60), 70 * 24), 2 * 24);
    // What is closed each night raises a week as much as a day.
    assert_eq!(slots(closed_at("0 2 * * *", 240), 70 * 24), 24);
    // Closed hours that do not lie in the band, or are so few.
    assert_eq!(slots(closed_at("0 2 * * 6", 240), 70 * 24), 24);
    assert_eq!(slots(closed_at("50 2 * * 2", 10), 70 * 24), 24);
    // A registry of three days has no week to compare with, but knows of the closed hours.
    assert!(slots(tuesday(), 3 * 24) > 24);
    assert_eq!(slots(policy(), 3 * 24), 24);
}

#[test]
fn whoever_was_issued_is_not_taken_for_unborn() {
    // Twelve an hour for a hundred days, of lives that lie on both sides of the middle of their
    // class.
    for days in [47, 90, 92, 100, 398] {
        let mut registry = Registry::new(policy(), nothing_known());
        for n in 0..100 * 24 * 12 {
            let issued_at = NOW - n * 5 * MINUTE;
            registry.allocator.ledger.book(&Booking {
                window: Span {
                    from: issued_at + days * DAY / 2,
                    to: issued_at + days * DAY / 2 + 15 * MINUTE,
                },
                issued_at,
                life_seconds: days * DAY,
                expected: Expected::first(Some(0.3), Basis::Table(1)),
            });
        }
        registry.register(1, life(NOW, days * DAY), NOW, NOW);
        // 0.7 of twelve follow no window: half of them come back by their own rule, half a day
        // later.
        for slot in &registry.tables[0].slots {
            assert!(
                (slot.unsteered - 8.4).abs() < 0.1,
                "{days} days: {} unsteered",
                slot.unsteered
            );
        }
    }
}
