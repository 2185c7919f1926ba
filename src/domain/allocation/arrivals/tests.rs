use super::*;
use crate::allocation::level::all_open;
use crate::time::{HOUR, Timestamp};

/// A day's band from midnight.
fn range() -> SlotRange {
    let first = "2027-01-15T00:00:00Z".parse::<Timestamp>().unwrap();
    let first = first.slot(HOUR);
    SlotRange {
        slot_seconds: HOUR,
        first,
        end: first + 24,
        widest_first: first,
        latest_end: first + 24,
    }
}

/// Half of the share wakes at midnight and noon, half at four and every six hours from there.
fn schedule_mix(share: f64) -> ScheduleMix {
    let ticks = |period_seconds, second_of_day| Ticks {
        period_seconds,
        second_of_day,
        share: share / 2.0,
    };
    ScheduleMix {
        ticks: vec![ticks(12 * HOUR, 0), ticks(6 * HOUR, 4 * HOUR)],
        daily: 0.0,
        random: 0.0,
    }
}

fn peak(load: &[f64]) -> f64 {
    load.iter().copied().fold(0.0, f64::max)
}

/// Where nothing is promised yet.
fn adjusted(schedule_mix: &ScheduleMix, spill: f64, unsteered: &[f64]) -> Option<ArrivalModel> {
    let none = vec![0.0; unsteered.len()];
    let expected = Expected {
        unsteered,
        promised: &none,
        timed: &none,
        capacity: &all_open(24),
    };
    ArrivalModel::of(schedule_mix, range(), spill, expected)
}

#[test]
fn what_is_promised_lands_as_well() {
    let (mut promised, mut timed) = (vec![0.0; 24], vec![0.0; 24]);
    (promised[8], timed[8]) = (3.0, 1.0);
    let expected = Expected {
        unsteered: &[0.5; 24],
        promised: &promised,
        timed: &timed,
        capacity: &all_open(24),
    };
    let arrival_model = ArrivalModel::of(&schedule_mix(1.0), range(), 0.0, expected).unwrap();
    for (slot, want) in [(7, 0.5), (8, 1.5), (10, 1.5), (12, 1.5), (22, 0.5)] {
        assert!(
            (arrival_model.base[slot] - want).abs() < 1e-9,
            "{:?}",
            arrival_model.base
        );
    }
}

#[test]
fn each_comes_once_at_its_next_tick() {
    let arrival_model = adjusted(&schedule_mix(0.4), 0.125, &[0.0; 24]).unwrap();
    for (slot, row) in arrival_model.rows.iter().enumerate() {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{slot}");
    }
    let lands = |slot: usize| {
        let row = arrival_model.rows[slot].iter().enumerate();
        row.filter(|(_, share)| **share > 0.15)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    // In the window; at noon and at ten; or at midnight and at four of the next day.
    assert_eq!(lands(8), [8, 10, 12]);
    assert_eq!(lands(22), [0, 4, 22]);
    // A tick in the middle of an hour brings those to it whose window lies before it.
    let mut half_past = schedule_mix(0.0);
    half_past.ticks[0].share = 1.0;
    half_past.ticks[0].second_of_day = HOUR / 2;
    let row = &adjusted(&half_past, 0.0, &[0.0; 24]).unwrap().rows[12];
    assert!((row[12] - 0.5).abs() < 1e-9 && (row[0] - 0.5).abs() < 1e-9);
}

#[test]
fn timers_come_within_the_day_after() {
    let timers = ScheduleMix {
        random: 1.0,
        ..ScheduleMix::default()
    };
    let arrival_model = adjusted(&timers, 0.125, &[0.0; 24]).unwrap();
    for row in &arrival_model.rows {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        assert!(peak(row) < 0.2, "{row:?}");
    }
}

#[test]
fn where_all_come_in_their_windows_nothing_lands_elsewhere() {
    assert!(adjusted(&ScheduleMix::default(), 0.125, &[0.0; 24]).is_none());
    assert!(adjusted(&schedule_mix(0.0005), 0.125, &[0.0; 24]).is_none());
}

#[test]
fn what_would_come_at_a_busy_tick_is_given_before_a_quiet_one() {
    let mut base = vec![0.3; 24];
    base[0] = 2.0;
    let arrival_model = adjusted(&schedule_mix(0.3), 0.125, &base).unwrap();
    let plain = vec![1.0; 24];
    let open = all_open(24);
    let lowered = arrival_model.lowered(plain.clone(), &[0.0; 24], &open);
    assert!((lowered.iter().sum::<f64>() - 24.0).abs() < 1e-9);
    assert!(lowered.iter().all(|assigned| *assigned >= 0.0));
    let (before, after) = (arrival_model.with(&plain), arrival_model.with(&lowered));
    assert!(
        peak(&after) < 0.95 * peak(&before),
        "{before:?}\n{after:?}\n{lowered:?}"
    );
    let half = |assigned: &[f64], from: usize| assigned[from..from + 12].iter().sum::<f64>();
    assert!(half(&lowered, 0) > half(&lowered, 12) + 2.0, "{lowered:?}");
}

#[test]
fn nothing_is_moved_into_what_is_closed_or_has_a_ceiling() {
    let mut base = vec![0.3; 24];
    base[0] = 2.0;
    let arrival_model = adjusted(&schedule_mix(0.3), 0.125, &base).unwrap();
    let mut capacity = all_open(24);
    let mut plain = vec![1.0; 24];
    for slot in 5..8 {
        capacity[slot].share = 0.0;
        plain[slot] = 0.0;
    }
    capacity[8].ceiling = Some(1.0);
    plain[8] = 0.1;
    let lowered = arrival_model.lowered(plain, &[0.0; 24], &capacity);
    assert!(
        lowered[5..8].iter().all(|assigned| *assigned <= 0.0),
        "{lowered:?}"
    );
    assert!(lowered[8] <= 0.1, "{lowered:?}");
}

#[test]
fn a_level_day_stays_as_it_is() {
    // Ticks at every hour alike: nothing is to be gained.
    let ticks = (0..12).map(|hour| Ticks {
        period_seconds: 12 * HOUR,
        second_of_day: hour * HOUR,
        share: 0.02,
    });
    let even = ScheduleMix {
        ticks: ticks.collect(),
        ..ScheduleMix::default()
    };
    let arrival_model = adjusted(&even, 0.0, &[0.5; 24]).unwrap();
    let plain = vec![1.0; 24];
    assert_eq!(
        arrival_model.lowered(plain.clone(), &[0.0; 24], &all_open(24)),
        plain
    );
}

#[test]
fn what_comes_after_a_band_shorter_than_a_day_is_counted() {
    let short = SlotRange {
        end: range().first + 20,
        ..range()
    };
    let (mut unsteered, none) = (vec![0.2; 24], vec![0.0; 24]);
    unsteered[22] = 3.0;
    let expected = Expected {
        unsteered: &unsteered,
        promised: &none,
        timed: &none,
        capacity: &all_open(24),
    };
    // Ticks at ten in the morning and in the evening, which is after the band.
    let mut late = schedule_mix(0.0);
    late.ticks[0].share = 0.5;
    late.ticks[0].second_of_day = 10 * HOUR;
    let arrival_model = ArrivalModel::of(&late, short, 0.0, expected).unwrap();
    for (slot, row) in arrival_model.rows.iter().enumerate() {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{slot}");
    }
    // They are kept away from the evening, where others come.
    let lowered = arrival_model.lowered(vec![1.0; 20], &[0.0; 20], &all_open(20));
    let after_ten: f64 = lowered[11..].iter().sum();
    assert!(after_ten < 6.0, "{lowered:?}");
}
