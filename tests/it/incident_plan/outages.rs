//! Outages: what they missed, what comes back by itself, and what they teach.

use std::collections::BTreeMap;

use offpeak::domain::certificate::Validity;
use offpeak::domain::moves::incident::{Incident, Kind, State};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

use super::{
    Affected, at, hash, incident, long, ninety_days, planned, policy, scene, seconds, steady,
};

const FROM: &str = "2026-11-17T18:35:00Z";
const TO: &str = "2026-11-18T02:22:00Z";

/// Certificates an hour: a fortieth of the base population's. Nine of ten follow their windows.
const PER_HOUR: u32 = 1_000;
const HOURS: u32 = 120;

/// A daemon: it renews at a point of its window that it draws when it first sees it, retries an
/// hour after a failure, and looks again every six hours, more or less.
struct Daemon {
    number: u32,
    /// The window it is served, from which instant on.
    served: Vec<(Timestamp, Span)>,
}

impl Daemon {
    fn unit(&self, salt: u32) -> f64 {
        let mixed = hash(self.number ^ (salt << 24)) >> 96;
        f64::from(u32::try_from(mixed).unwrap()) / 4_294_967_296.0
    }

    fn draw(&self, window: Span) -> Timestamp {
        window.from + of(self.unit(1), seconds(window))
    }

    fn window_at(&self, at: Timestamp) -> Span {
        let known = self.served.iter().rev().find(|(since, _)| *since <= at);
        known.unwrap_or(&self.served[0]).1
    }

    /// When it gets its certificate.
    fn succeeds(&self, outage: Span) -> Timestamp {
        let mut window = self.served[0].1;
        let mut tries = self.draw(window);
        let mut looks = outage.from - 6 * HOUR + of(self.unit(2), 21_600.0);
        for round in 3.. {
            if looks <= tries {
                let seen = self.window_at(looks);
                if seen != window {
                    window = seen;
                    tries = self.draw(seen).max(looks);
                }
                looks = looks + of(0.8 + 0.4 * self.unit(round % 100), 21_600.0);
            } else if outage.contains(tries) {
                tries = tries + HOUR;
            } else {
                return tries;
            }
        }
        unreachable!("it renews at last")
    }
}

fn of(share: f64, seconds: f64) -> i64 {
    format!("{:.0}", share * seconds).parse().unwrap()
}

/// Those who follow no window come at any time, and retry an hour after a failure.
fn unsteered(outage: Span, number: u32) -> Timestamp {
    let mut at = outage.from + i64::from(number) * 36_000 / i64::from(PER_HOUR);
    while outage.contains(at) {
        at = at + HOUR;
    }
    at
}

/// The plan of `incident` at `now`, served to everybody from then on. How many windows it moved.
fn plan(incident: &Incident, now: Timestamp, daemons: &mut [Daemon]) -> u64 {
    let windows: Vec<Span> = daemons.iter().map(|daemon| daemon.window_at(now)).collect();
    let end = incident.assumed_end(now).unwrap();
    let back = if end > now { HOUR } else { 0 };
    let touched = Span {
        from: incident.from.unwrap(),
        to: end + back,
    };
    let mut by_slot: BTreeMap<i64, f64> = BTreeMap::new();
    for window in windows
        .iter()
        .filter(|window| window.overlap_seconds(touched) == 0)
    {
        *by_slot.entry(window.from.slot(900)).or_default() += 1.0;
    }
    let expected = |span: Span| {
        let slots = span.from.slot(900)..=(span.to - 1).slot(900);
        let steered: f64 = slots
            .map(|slot| {
                let slot_span = long(Timestamp::from_unix(slot * 900), 900);
                let share =
                    f64::from(i32::try_from(slot_span.overlap_seconds(span)).unwrap()) / 900.0;
                by_slot.get(&slot).copied().unwrap_or(0.0) * share
            })
            .sum();
        steered + seconds(span) / 36_000.0 * f64::from(PER_HOUR)
    };
    let affected: Vec<Affected> = windows
        .iter()
        .map(|window| (ninety_days(*window), *window))
        .collect();
    // The dates of a certificate do not change with its window.
    let dates = |daemon: &Daemon| ninety_days(daemon.served[0].1);
    let policy = policy();
    let scene = scene(incident, &policy, now, &expected);
    let mut planner = offpeak::domain::moves::incident::Planner::new();
    for (daemon, (_, window)) in daemons.iter().zip(&affected) {
        planner.count(&scene, dates(daemon), *window);
    }
    let plan = planner.plan(&scene).unwrap();
    for (daemon, (_, window)) in daemons.iter_mut().zip(&affected) {
        let new = plan.window(hash(daemon.number), dates(daemon), *window);
        if let Some((new, _)) = new {
            daemon.served.push((now, new));
        }
    }
    plan.to_move
}

/// Certificates by hour after the outage's end, with the outage planned again every so often or not.
fn replayed(again: Again) -> (Vec<f64>, u64) {
    let outage = Span {
        from: at(FROM),
        to: at(TO),
    };
    let mut daemons: Vec<Daemon> = (0..PER_HOUR * 9 / 10 * HOURS)
        .map(|number| {
            let start = outage.from - 900 + i64::from(number) * 4;
            Daemon {
                number,
                served: vec![(Timestamp::MIN, long(start, 900))],
            }
        })
        .collect();
    let opened = outage.from + 10 * MINUTE;
    let mut incident = Incident {
        from: Some(outage.from),
        ..incident(Kind::Outage)
    };
    incident.advance(State::Open, opened).unwrap();
    let mut moves = plan(&incident, opened, &mut daemons);
    let mut planned_at = opened;
    while let Some(next) = incident
        .plan_again_at(planned_at)
        .filter(|next| *next < outage.to)
    {
        planned_at = next;
        if again == Again::AsAsked {
            moves += plan(&incident, next, &mut daemons);
        }
    }
    incident.advance(State::Closed, outage.to).unwrap();
    assert_eq!(incident.to, Some(outage.to));
    moves += plan(&incident, outage.to, &mut daemons);

    let mut hours = vec![0.0; 96];
    let steered = daemons.iter().map(|daemon| daemon.succeeds(outage));
    let others = (0..PER_HOUR / 10 * HOURS).map(|number| unsteered(outage, number));
    for came in steered.chain(others).filter(|came| *came >= outage.to) {
        if let Some(hour) = hours.get_mut(usize::try_from((came - outage.to) / HOUR).unwrap()) {
            *hour += 1.0;
        }
    }
    (hours, moves)
}

#[derive(Clone, Copy, PartialEq)]
enum Again {
    AsAsked,
    Never,
}

#[test]
fn after_the_outage_of_eighteen_thirty_five_the_first_hour_is_calm() {
    for again in [Again::AsAsked, Again::Never] {
        let (hours, moves) = replayed(again);
        let normal = f64::from(PER_HOUR);
        println!("{moves} moves; by hour: {:?}", &hours[..24]);
        assert!(hours[0] <= 1.5 * normal, "first hour: {}", hours[0]);
        let highest = hours[1..].iter().copied().fold(0.0, f64::max);
        assert!(highest <= 1.35 * normal, "a later hour: {highest}");
        // All that was missed is done within four days.
        assert!(hours.iter().sum::<f64>() >= normal * (96.0 + 7.0) * 0.98);
    }
}

#[test]
fn the_short_lived_come_first_and_everybody_before_the_reserve() {
    let incident = Incident {
        from: Some(at(FROM)),
        to: Some(at(TO)),
        ..incident(Kind::Outage)
    };
    let policy = policy();
    let expected = steady(1_000.0);
    let scene = scene(&incident, &policy, at(TO), &expected);
    let missed: Vec<Affected> = (0..4_000)
        .map(|number| {
            let window = long(at(FROM) + number * 7, 900);
            let short = Validity {
                not_before: window.from - 78 * HOUR,
                not_after: window.from + 82 * HOUR - 1,
            };
            (
                if number % 2 == 0 {
                    short
                } else {
                    ninety_days(window)
                },
                window,
            )
        })
        .collect();
    let plan = planned(&scene, &missed).unwrap();
    assert_eq!((plan.to_move, plan.stays), (4_000, 0));
    let mut starts = [0.0, 0.0];
    for (number, (validity, window)) in (0..4_000).zip(&missed) {
        let (new, _) = plan.window(hash(number), *validity, *window).unwrap();
        assert!(new.from >= at(TO) + HOUR);
        assert!(new.to <= validity.not_after - (validity.life_seconds() / 10).min(3 * DAY));
        starts[usize::try_from(number % 2).unwrap()] += seconds(Span {
            from: at(TO),
            to: new.from,
        }) / 2_000.0;
    }
    assert!(starts[0] * 1.5 < starts[1], "{starts:?}");
    let moved: f64 = plan.hours().iter().map(|hour| hour.moved).sum();
    assert!((moved - 4_000.0).abs() < 1e-6);
    // Those who retry by themselves have the hour after to themselves.
    assert!(
        plan.hours()
            .iter()
            .all(|hour| hour.from >= at("2026-11-18T03:00:00Z"))
    );
}

#[test]
fn a_life_with_an_hour_left_is_helped_at_once() {
    let incident = Incident {
        from: Some(at(FROM)),
        to: Some(at(TO)),
        ..incident(Kind::Outage)
    };
    let policy = policy();
    let expected = steady(1_000.0);
    let scene = scene(&incident, &policy, at(TO), &expected);
    let window = long(at(TO) - HOUR, 900);
    let dying = Validity {
        not_before: at(TO) - 5 * HOUR,
        not_after: at(TO) + HOUR,
    };
    let plan = planned(&scene, &[(dying, window)]).unwrap();
    let (new, _) = plan.window(hash(1), dying, window).unwrap();
    assert!(new.from >= at(TO) && new.to <= dying.not_after, "{new:?}");
    let dead = Validity {
        not_after: at(TO) + 60,
        ..dying
    };
    assert_eq!(planned(&scene, &[(dead, window)]).unwrap().stays, 1);
}

#[test]
fn an_unknown_end_is_guessed_further_away_the_longer_it_lasts() {
    let from = at(FROM);
    let outage = Incident {
        from: Some(from),
        ..incident(Kind::Outage)
    };
    assert_eq!(
        outage.assumed_end(from + 600),
        Some(from + 600 + 7 * HOUR + 12 * MINUTE)
    );
    assert_eq!(outage.assumed_end(from + 10 * HOUR), Some(from + 20 * HOUR));
    let report = Incident {
        estimated_end: Some(from + 2 * HOUR),
        ..outage.clone()
    };
    assert_eq!(report.assumed_end(from + 600), Some(from + 2 * HOUR));
    // Overdue: no estimate any more.
    assert_eq!(report.assumed_end(from + 10 * HOUR), Some(from + 20 * HOUR));
    let over = Incident {
        to: Some(from + 60),
        ..report
    };
    assert_eq!(over.assumed_end(from + 10 * HOUR), Some(from + 60));
    assert_eq!(incident(Kind::Drill).assumed_end(from), None);
}
