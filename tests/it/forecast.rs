//! What is to come, of made load.

use offpeak::domain::client::following::POLLED_FOLLOWS;
use offpeak::domain::client::schedule::Response;
use offpeak::domain::demand::observation::Kind;
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::ledger::forecast::{Horizon, Load, Outlook, SlotOutlook};
use offpeak::domain::ledger::{Cohort, Ledger, Windows};
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::policy::planned::Planned;
use offpeak::domain::publication::ranking::{Times, rank};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};

use crate::load::{NOW, at, hour_of, hourly, line};

fn learn(series: &Series) -> Profile {
    Profile::learn(series, at(NOW), HOUR, &[])
}

fn policy() -> CaPolicy {
    CaPolicy::named(CaName::default())
}

fn outlook(policy: &CaPolicy, profile: &Profile, ledger: &Ledger, hours: i64) -> Outlook {
    let horizon = Horizon {
        policy,
        profile,
        now: at(NOW) + 61,
    };
    horizon.outlook(ledger, hours)
}

fn hour(n: i64) -> Span {
    let from = at(NOW) + n * HOUR;
    let to = from + HOUR;
    Span { from, to }
}

fn expected(outlook: &Outlook) -> Vec<f64> {
    let loads = outlook.slots.iter().map(|slot| slot.load.expected());
    loads.collect()
}

fn close(got: f64, want: f64, within: f64) {
    assert!((got - want).abs() < within, "{got} is not {want}");
}

#[test]
fn an_observed_load_is_expected_again() {
    let profile = learn(&hourly(
        28,
        |from| if hour_of(from) == 1 { 3_000 } else { 900 },
    ));
    let outlook = outlook(&policy(), &profile, &Ledger::default(), 168);
    assert_eq!(outlook.slots.len(), 168);
    assert_eq!(outlook.slots[0].span, hour(0));
    close(outlook.mean.unwrap(), 987.5, 1.0);
    // Nothing is registered, so nobody steers any of it.
    for (n, slot) in outlook.slots.iter().enumerate() {
        let want = if n % 24 == 1 { 3_000.0 } else { 900.0 };
        close(slot.load.unsteered, want, 0.02 * want);
        close(slot.load.steered, 0.0, 1e-9);
        assert_eq!(slot.headroom(), None);
    }
}

#[test]
fn a_load_of_900_under_a_capacity_of_1000_leaves_a_tenth() {
    let slot = |load: f64, ceiling: Option<f64>, share: f64| SlotOutlook {
        span: hour(0),
        load: Load {
            steered: load / 3.0,
            unsteered: load * 2.0 / 3.0,
        },
        capacity: offpeak::domain::policy::capacity::SlotCapacity {
            share,
            ceiling,
            bound_by: None,
        },
    };
    close(
        slot(900.0, Some(1_000.0), 1.0).headroom().unwrap(),
        0.1,
        1e-12,
    );
    close(
        slot(1_500.0, Some(1_000.0), 1.0).headroom().unwrap(),
        -0.5,
        1e-12,
    );
    close(
        slot(900.0, Some(1_000.0), 0.0).headroom().unwrap(),
        0.0,
        1e-12,
    );
    assert_eq!(slot(900.0, None, 0.5).headroom(), None);
    // From the rules to the slots: windows that bring 900, and a rule for an hour of the day.
    let rule = CapacityRule {
        when: When::Recurring {
            cron: Box::new("0 5 * * *".parse().unwrap()),
            zone: chrono_tz::UTC,
            duration_seconds: HOUR,
        },
        share: 1.0,
        ceiling_per_hour: Some(1_000.0),
        name: Some("hsm".to_owned()),
    };
    let policy = CaPolicy {
        capacity: vec![rule],
        follow_prior: 1.0,
        ..policy()
    };
    let mut ledger = Ledger::default();
    ledger.book_cohort(&Cohort {
        follows: Some(1.0),
        ..cohort(at(NOW) - 60 * DAY, 90, hour(5), 900.0)
    });
    let nothing = learn(&Series::default());
    let outlook = outlook(&policy, &nothing, &ledger, 24);
    for (n, slot) in outlook.slots.iter().enumerate() {
        let headroom = slot.headroom().map(|left| (left * 1e6).round() / 1e6);
        assert_eq!(headroom, (n == 5).then_some(0.1), "{n}");
        let bound_by = slot.capacity.bound_by.as_deref();
        assert_eq!(bound_by, (n == 5).then_some("hsm"), "{n}");
    }
}

#[test]
fn a_planned_30000_at_two_raises_the_forecast() {
    let profile = learn(&hourly(28, |_| 10_000));
    let planned = |planned: Vec<Planned>| {
        let policy = CaPolicy {
            planned,
            ..policy()
        };
        expected(&outlook(&policy, &profile, &Ledger::default(), 48))
    };
    let without = planned(Vec::new());
    let with = planned(vec![Planned {
        span: hour(26),
        certificates: 30_000.0,
    }]);
    for (n, (with, without)) in with.iter().zip(&without).enumerate() {
        let more = if n == 26 { 30_000.0 } else { 0.0 };
        close(with - without, more, 1e-6);
    }
}

/// 28 days of 1,000 attempts an hour; of yesterday's 01:00, `failed` failed.
fn failing(failed: u64) -> Profile {
    let mut series = hourly(28, |_| 1_000);
    for n in -28 * 24..0 {
        let is_it = n == -23;
        let count = if is_it { failed } else { 10 };
        series.add(&line(at(NOW) + n * HOUR, HOUR, Kind::Failed, count));
    }
    learn(&series)
}

#[test]
fn what_failed_yesterday_comes_on_top_of_today() {
    let report = |failed: u64| {
        expected(&outlook(
            &policy(),
            &failing(failed),
            &Ledger::default(),
            48,
        ))
    };
    let (calm, after) = (report(10), report(400));
    for (n, (after, calm)) in after.iter().zip(&calm).enumerate() {
        // 390 more than usual, four fifths of which run by the day.
        let more = if n == 1 { 0.8 * 390.0 } else { 0.0 };
        close(after - calm, more, 1.0);
    }
    // What is usual changes nothing.
    assert!(failing(10).carry_over.carried(hour(1)).abs() < 1e-9);
}

#[test]
fn failures_of_the_last_hour_come_within_the_next() {
    let mut series = hourly(28, |_| 1_000);
    for n in -28 * 24..0 {
        let count = if n == -1 { 510 } else { 10 };
        series.add(&line(at(NOW) + n * HOUR, HOUR, Kind::Failed, count));
    }
    let carry = learn(&series).carry_over;
    close(carry.carried(hour(0)), 0.2 * 500.0, 1.0);
    close(carry.carried(hour(23)), 0.8 * 500.0, 1.0);
    close(carry.carried(hour(1)), 0.0, 1e-9);
    close(carry.carried(hour(24)), 0.0, 1e-9);
}

/// Certificates issued together, of which three in ten follow as far as is known.
fn cohort(issued_at: Timestamp, days: i64, window: Span, certificates: f64) -> Cohort<'static> {
    Cohort {
        windows: Windows::One(window, Response::default()),
        issued_at,
        life_seconds: days * DAY,
        follows: Some(0.3),
        certificates,
    }
}

#[test]
fn halving_lives_doubles_the_forecast() {
    // 1,000 live certificates an hour of age, in a steady state each: those of 90 days are renewed
    // after 60, those of 45 days after 30, so the same stock is issued twice as fast.
    let steady = |days: i64, per_hour: f64| {
        let cycle = days * 2 / 3;
        let mut ledger = Ledger::default();
        // A day more: half of those who are not steered come a day later.
        for n in 0..(cycle + 1) * 24 {
            let issued_at = at(NOW) - n * HOUR - HOUR / 2;
            let from = issued_at + cycle * DAY - 2 * HOUR;
            let window = Span {
                from,
                to: from + HOUR,
            };
            ledger.book_cohort(&cohort(issued_at, days, window, per_hour));
        }
        expected(&outlook(
            &policy(),
            &learn(&Series::default()),
            &ledger,
            168,
        ))
    };
    let (long, short) = (steady(90, 100.0), steady(45, 200.0));
    let mean = |loads: &[f64]| loads.iter().sum::<f64>() / 168.0;
    close(mean(&long), 100.0, 5.0);
    close(mean(&short) / mean(&long), 2.0, 0.1);
    // A CA that changes over today: half of its stock in 45 days, what it issues comes in 30 days.
    let mut ledger = Ledger::default();
    for n in 0..61 * 24 {
        let issued_at = at(NOW) - n * HOUR - HOUR / 2;
        let days = if n < 30 * 24 { 45 } else { 90 };
        let cycle = days * 2 / 3;
        let from = issued_at + cycle * DAY - 2 * HOUR;
        let window = Span {
            from,
            to: from + HOUR,
        };
        ledger.book_cohort(&cohort(issued_at, days, window, 100.0));
    }
    let both = expected(&outlook(
        &policy(),
        &learn(&Series::default()),
        &ledger,
        168,
    ));
    close(mean(&both) / mean(&long), 2.0, 0.1);
}

#[test]
fn those_not_issued_yet_are_expected_too() {
    // Six days of life, renewed after three: of the week ahead most are still to be issued.
    let mut ledger = Ledger::default();
    for n in 0..10 * 24 {
        let issued_at = at(NOW) - n * HOUR - HOUR / 2;
        let from = issued_at + 3 * DAY - 2 * HOUR;
        let window = Span {
            from,
            to: from + HOUR,
        };
        ledger.book_cohort(&Cohort {
            follows: Some(POLLED_FOLLOWS),
            ..cohort(issued_at, 6, window, 100.0)
        });
    }
    let outlook = outlook(&policy(), &learn(&Series::default()), &ledger, 168);
    let late = &outlook.slots[100..];
    for slot in late {
        close(slot.load.expected(), 100.0, 10.0);
        close(slot.load.steered, 90.0, 10.0);
    }
}

#[test]
fn a_spike_on_the_first_of_months_is_an_overlay() {
    let spike = |times: u64| {
        learn(&hourly(100, |from| {
            let is_first = from.to_string()[8..10] == *"01";
            if is_first { 1_000 * times } else { 1_000 }
        }))
    };
    let overlays = |profile: &Profile| {
        let times = Times::new(at(NOW), DAY);
        let document = rank(None, profile, &policy(), &times);
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        document["overlays"].clone()
    };
    assert_eq!(overlays(&spike(1)), serde_json::json!([]));
    let found = overlays(&spike(2));
    assert_eq!(found[0]["when"], "dayOfMonth=1");
    close(found[0]["factor"].as_f64().unwrap(), 2.0, 0.05);
    // And the forecast has it: 2026-12-01 is fifteen days ahead.
    let loads = expected(&outlook(&policy(), &spike(2), &Ledger::default(), 17 * 24));
    close(loads[15 * 24 + 5] / loads[14 * 24 + 5], 2.0, 0.1);
}
