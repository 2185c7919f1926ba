//! K, learned from what a ledger remembers.

use offpeak::domain::client::schedule::Response;
use offpeak::domain::ledger::{Booking, Cohort, Expected, Ledger, Windows};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};

use super::population::{START, shape};
use super::{LIFE, assert_halves};

fn at(hour: i64) -> Timestamp {
    Timestamp::from_unix(START + hour * HOUR)
}

fn hours(from: i64, to: i64) -> Span {
    Span {
        from: at(from),
        to: at(to),
    }
}

/// The base population of 90-day certificates, of which `following` follow windows that lie
/// anywhere in the day around the sixtieth; the others come back one hour late, or a day and one.
fn base(following: f64, days: i64) -> Ledger {
    let mut ledger = Ledger::default();
    let mut issued: Vec<f64> = Vec::new();
    for hour in 0..days * 24 {
        let back = |lag: i64| -> f64 {
            let then = usize::try_from(hour - lag).ok();
            let there = then.and_then(|then| issued.get(then));
            (1.0 - following) / 2.0 * there.copied().unwrap_or(0.0)
        };
        let certificates = if hour < 60 * 24 {
            40_000.0 * shape(issued.len())
        } else {
            ledger.promised(hours(hour, hour + 1)) + back(1_441) + back(1_465)
        };
        issued.push(certificates);
        ledger.book_cohort(&Cohort {
            windows: Windows::One(hours(hour + 1_428, hour + 1_452), Response::default()),
            issued_at: at(hour),
            life_seconds: LIFE,
            follows: Some(following),
            certificates,
        });
    }
    ledger
}

#[test]
fn a_ledger_learns_that_clients_come_an_hour_late() {
    for following in [0.3, 0.6, 0.9] {
        let mut ledger = base(following, 66);
        // A day after the peak of day 58 has come back, and that of day 59 for the first time.
        let peak = hours(59 * 24 + 1 + 1_441, 59 * 24 + 2 + 1_441);
        let before = expected(&ledger, peak);
        for day in 60..=66 {
            ledger.learn_returns(at(day * 24), &[]);
        }
        assert_halves(&ledger.returns, LIFE, 60 * 24, 1);
        let after = expected(&ledger, peak);
        assert!(after > 1.1 * before, "{following}: {before} {after}");
    }
}

/// The unsteered that a ledger expects in a span.
fn expected(ledger: &Ledger, span: Span) -> f64 {
    let lags = ledger.returns.lags(LIFE);
    let issued = lags.map(|(lag, share)| share * ledger.issued(span.earlier(lag)));
    issued.sum()
}

#[test]
fn incidents_teach_nothing() {
    let mut ledger = base(0.6, 66);
    let known = ledger.returns.clone();
    let (now, incident) = (at(66 * 24), hours(61 * 24, 65 * 24));
    ledger.learn_returns(now, &[incident]);
    assert_eq!(ledger.returns, known, "a day is too little");
    ledger.learn_returns(now, &[hours(61 * 24, 64 * 24)]);
    assert_ne!(ledger.returns, known);
}

#[test]
fn what_was_expected_of_the_retired_is_remembered_with_what_polls_showed() {
    let mut ledger = Ledger::default();
    let booking = |hour, follows| Booking {
        window: hours(hour + 1_440, hour + 1_441),
        issued_at: at(hour),
        life_seconds: LIFE,
        expected: Expected {
            follows,
            response: Response::default(),
        },
    };
    let bookings = [0, 0, 1, 1].map(|hour| booking(hour, Some(0.25)));
    for booking in &bookings {
        ledger.book(booking);
    }
    let polled = booking(1, Some(0.75));
    ledger.learn(&bookings[2], &polled);
    ledger.retire(&polled);
    ledger.unbook(&bookings[3]);
    // After its band: it was issued, and nothing is expected of it.
    ledger.book(&booking(2, None));
    let seen = |ledger: &Ledger| {
        let history = ledger.history(at(1_443) + 59, &[hours(1, 2)]);
        assert_eq!(history.from, at(0));
        let [class] = &history.classes[..] else {
            panic!("one class");
        };
        assert_eq!(class.life_seconds, LIFE);
        let first = |list: &[f64]| -> Vec<f64> { list[..3].to_vec() };
        assert_eq!(first(&class.issued), [2.0, 1.0, 1.0]);
        assert_eq!(history.issued[..4], [Some(2.0), None, Some(1.0), Some(0.0)]);
        assert_eq!(history.issued.len(), 1_443);
        let promised = history.promised[1_440..].to_vec();
        (first(&class.unsteered), promised)
    };
    let (unsteered, promised) = seen(&ledger);
    assert_eq!(unsteered, [1.5, 0.25, 0.0]);
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(promised[0], 0.5) && near(promised[1], 0.75) && near(promised[2], 0.0));
    // Back again, and as it was.
    ledger.reinstate(&polled);
    ledger.learn(&polled, &bookings[2]);
    assert_eq!(seen(&ledger).0, [1.5, 0.75, 0.0]);
}

#[test]
fn an_hour_of_none_among_many_was_not_counted() {
    let mut ledger = Ledger::default();
    for hour in (0..48).filter(|hour| *hour != 30) {
        ledger.book_cohort(&Cohort {
            windows: Windows::One(hours(1_440, 1_441), Response::default()),
            issued_at: at(hour),
            life_seconds: LIFE,
            follows: Some(0.5),
            certificates: 30.0,
        });
    }
    let history = ledger.history(at(48), &[]);
    let missing: Vec<usize> = (0..48)
        .filter(|hour| history.issued[*hour].is_none())
        .collect();
    assert_eq!(missing, [30]);
    // No more is asked than eight weeks and a life need.
    let later = ledger.history(at(48) + 200 * DAY, &[]);
    assert!(later.from > at(48) && later.issued.len() < (56 + 92) * 24);
}
