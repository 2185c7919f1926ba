//! Who moves for a deadline, at once or in time, and from what it is drawn.

use offpeak::domain::allocation::table::Table;
use offpeak::domain::certificate::{Basis, Validity};
use offpeak::domain::moves::incident::{Incident, Kind};
use offpeak::domain::time::{DAY, HOUR, MINUTE};

use super::deadlines::{base_load, counted, moved};
use super::{
    OPENED, at, hash, incident, later, long, ninety_days, planned, policy, real, revocation, scene,
    steady,
};

#[test]
fn urgent_is_at_once_for_everybody() {
    let opened = at(OPENED);
    let incident = Incident {
        urgent: true,
        opened_at: Some(opened),
        ..revocation(24, Some(1.0))
    };
    let policy = policy();
    // What is asked an hour later is the same.
    let expected = steady(40_000.0);
    let scene = scene(&incident, &policy, opened + HOUR, &expected);
    let (validity, window) = later(5);
    let just_born = Validity {
        not_before: opened - 10,
        not_after: opened + DAY,
    };
    let past = long(opened - 3 * HOUR, 15 * MINUTE);
    let plan = planned(
        &scene,
        &[
            (validity, window),
            (just_born, window),
            (ninety_days(past), past),
        ],
    )
    .unwrap();
    assert_eq!((plan.to_move, plan.stays), (2, 1));
    let begun = opened - HOUR;
    assert_eq!(
        plan.window(hash(5), validity, window),
        Some((long(begun, 30 * MINUTE), Basis::Span(long(begun, 1))))
    );
    let (of_the_young, _) = plan.window(hash(5), just_born, window).unwrap();
    assert_eq!(of_the_young, long(opened + 50, 30 * MINUTE));
    assert_eq!(plan.window(hash(5), ninety_days(past), past), None);
    // One of them looks within six hours, the other within one.
    assert!((moved(&plan) - 2.0).abs() < 1e-9);
    assert!(plan.tables().is_empty());
}

#[test]
fn what_is_open_or_opens_before_the_next_poll_stays() {
    let incident = Incident {
        kind: Kind::Drill,
        ..revocation(24, None)
    };
    let policy = policy();
    let expected = steady(0.0);
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    let windows = |minutes: i64| long(at(OPENED) + minutes * MINUTE, 15 * MINUTE);
    // Open; before the next poll; in time; over the deadline's edge; after it.
    for (minutes, moves) in [
        (-5, false),
        (431, false),
        (433, false),
        (1_424, false),
        (1_426, true),
        (9_000, true),
    ] {
        let window = windows(minutes);
        let plan = planned(&scene, &[(ninety_days(window), window)]).unwrap();
        assert_eq!(plan.to_move, u64::from(moves), "{minutes}");
        let new = plan.window(hash(1), ninety_days(window), window);
        assert_eq!(new.is_some(), moves, "{minutes}");
        assert!(
            new.is_none_or(
                |(new, _)| new.from < window.from && new.to <= incident.renew_by.unwrap()
            )
        );
    }
}

#[test]
fn a_stored_table_repeats_the_draw() {
    let incident = revocation(24, Some(160_000.0));
    let policy = policy();
    let plan = counted(&scene(&incident, &policy, at(OPENED), &base_load), 100_000).unwrap();
    let [stored] = &plan.tables()[..] else {
        panic!("one group")
    };
    assert_eq!(stored.number, Table::number(&stored.bytes));
    let table: Table = serde_json::from_slice(&stored.bytes).unwrap();
    let (validity, window) = later(0);
    assert_eq!(stored.needed_until, validity.not_after);
    for number in 0..2_000 {
        let (new, basis) = plan.window(hash(number), validity, window).unwrap();
        assert_eq!(
            (new, basis),
            (
                table.window(hash(number), validity.not_after),
                Basis::Table(stored.number)
            )
        );
    }
    let placed: f64 = table.slots.iter().map(|row| row.extra).sum();
    assert!((placed - 100_000.0).abs() < 1.0, "{placed}");
    assert!(real(table.slots.len()) > 60.0);
}

#[test]
fn an_incident_of_nobody_moves_nothing() {
    let policy = policy();
    for incident in [
        revocation(24, Some(1.0)),
        incident(Kind::Maintenance),
        incident(Kind::Outage),
    ] {
        let plan = planned(&scene(&incident, &policy, at(OPENED), &steady(5.0)), &[]).unwrap();
        assert_eq!((plan.to_move, plan.stays, plan.hours().len()), (0, 0, 0));
    }
}

#[test]
fn a_window_across_the_deadline_moves_earlier_and_never_later() {
    let incident = revocation(24, None);
    let policy = policy();
    let expected = steady(0.0);
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    let window = long(at(OPENED) + 1_415 * MINUTE, 30 * MINUTE);
    let plan = planned(&scene, &[(ninety_days(window), window)]).unwrap();
    for number in 0..2_000 {
        let (new, _) = plan
            .window(hash(number), ninety_days(window), window)
            .unwrap();
        assert!(new.from < window.from, "{new:?}");
    }
}
