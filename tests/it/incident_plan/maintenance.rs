//! Maintenance: windows move out of closed hours.

use offpeak::domain::moves::incident::{Incident, Kind};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span};

use super::{
    Affected, OPENED, at, closed_between, hash, incident, long, ninety_days, planned, policy,
    scene, steady,
};

/// Six hours, a week ahead.
fn works() -> Incident {
    let from = at(OPENED) + 7 * DAY;
    Incident {
        from: Some(from),
        to: Some(from + 6 * HOUR),
        ..incident(Kind::Maintenance)
    }
}

#[test]
fn windows_move_to_the_two_days_before() {
    let incident = works();
    let (from, to) = (incident.from.unwrap(), incident.to.unwrap());
    let policy = policy();
    let expected = steady(1_000.0);
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    let affected: Vec<Affected> = (0..6_600)
        .map(|number| {
            let window = long(from - 20 * MINUTE + number * 4, 15 * MINUTE);
            (ninety_days(window), window)
        })
        .collect();
    let plan = planned(&scene, &affected).unwrap();
    // Those that end before it begins stay, and so do those that begin after it.
    let stays = affected
        .iter()
        .filter(|(_, window)| window.to <= from || window.from >= to)
        .count();
    assert_eq!(plan.stays, u64::try_from(stays).unwrap());
    for (number, (validity, window)) in (0..).zip(&affected) {
        if let Some((new, _)) = plan.window(hash(number), *validity, *window) {
            assert!(new.to <= from && new.from >= from - 2 * DAY, "{new:?}");
        }
    }
    // An eighth more, level.
    let inside = plan
        .hours()
        .iter()
        .filter(|hour| hour.from > from - 2 * DAY && hour.from < from - HOUR);
    for hour in inside {
        assert!((110.0..160.0).contains(&hour.moved), "{hour:?}");
    }
}

#[test]
fn they_move_after_it_where_nothing_before_is_open() {
    let incident = works();
    let (from, to) = (incident.from.unwrap(), incident.to.unwrap());
    let mut policy = policy();
    policy.capacity = vec![closed_between(at(OPENED), from)];
    let expected = steady(1_000.0);
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    let window = long(from + HOUR, 15 * MINUTE);
    let plan = planned(&scene, &[(ninety_days(window), window)]).unwrap();
    let (new, _) = plan.window(hash(3), ninety_days(window), window).unwrap();
    assert!(new.from >= to, "{new:?}");
    // A window that is open already is nobody's to move.
    let open = long(at(OPENED) - 60, 8 * DAY);
    assert_eq!(plan.window(hash(3), ninety_days(open), open), None);
}

#[test]
fn every_night_is_left() {
    let incident = Incident {
        from: Some(at("2026-11-18T02:00:00Z")),
        to: Some(at("2026-11-18T02:10:00Z")),
        cron: Some("0 3 * * *".to_owned()),
        time_zone: Some("Europe/Prague".to_owned()),
        ..incident(Kind::Maintenance)
    };
    let policy = policy();
    let expected = steady(1_000.0);
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    // Daylight saving ends on 25 October 2026 and begins on 28 March 2027: 02:00 UTC, then 01:00.
    let nights = [
        at("2026-11-20T02:00:00Z"),
        at("2027-02-01T02:00:00Z"),
        at("2027-04-01T01:00:00Z"),
    ];
    for night in nights {
        let window = long(night + 3 * MINUTE, 15 * MINUTE);
        let plan = planned(&scene, &[(ninety_days(window), window)]).unwrap();
        let (new, _) = plan.window(hash(9), ninety_days(window), window).unwrap();
        let before = Span {
            from: night - 2 * HOUR,
            to: night,
        };
        assert!(new.from >= before.from && new.to <= before.to, "{new:?}");
        let clear = long(night + 20 * MINUTE, 15 * MINUTE);
        assert_eq!(plan.window(hash(9), ninety_days(clear), clear), None);
    }
}
