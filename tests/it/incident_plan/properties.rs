//! What holds for every plan.

use offpeak::domain::allocation::band::earliest_seen;
use offpeak::domain::allocation::table::Table;
use offpeak::domain::allocation::window::in_span;
use offpeak::domain::certificate::reserve_seconds;
use offpeak::domain::certificate::{Basis, Validity};
use offpeak::domain::moves::incident::{Incident, Kind, Plan, Refusal};
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::policy::capacity::closed_within;
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span};
use proptest::prelude::*;

use super::{Affected, OPENED, at, closed_between, hash, incident, planned, policy, scene, steady};

/// A certificate of some life whose window lies somewhere in it, and not far from the opening.
fn affected() -> impl Strategy<Value = Affected> {
    let life = prop_oneof![
        2 * HOUR..DAY,
        Just(160 * HOUR),
        Just(47 * DAY),
        Just(90 * DAY),
        Just(398 * DAY),
    ];
    let drawn = (life, -DAY..12 * DAY, 0.2..0.9_f64, 10_i64..90);
    drawn.prop_filter_map("is born, and alive", |(life, start, at_share, minutes)| {
        let from = at(OPENED) + start;
        let lived: i64 = format!("{:.0}", f64::from(i32::try_from(life).unwrap()) * at_share)
            .parse()
            .unwrap();
        let not_before = (from - lived).min(at(OPENED));
        let validity = Validity {
            not_before,
            not_after: not_before + life - 1,
        };
        let to = (from + minutes * MINUTE).min(validity.not_after);
        (to >= from + 10 * MINUTE).then_some((validity, Span { from, to }))
    })
}

fn incidents() -> impl Strategy<Value = Incident> {
    let deadline = (8_i64..200, prop::option::of(2.0..400.0_f64), 0..3_u8).prop_map(
        |(hours, budget, mode)| Incident {
            renew_by: Some(at(OPENED) + hours * HOUR + 77),
            budget_per_hour: budget,
            over_budget: mode == 1,
            urgent: mode == 2,
            ..incident(Kind::Revocation)
        },
    );
    let outage =
        (0_i64..20 * HOUR, prop::option::of(-10 * HOUR..10 * HOUR)).prop_map(|(since, end)| {
            let from = at(OPENED) - since;
            Incident {
                from: Some(from),
                to: end.map(|end| (at(OPENED) + end).max(from + 60)),
                ..incident(Kind::Outage)
            }
        });
    let works =
        (0_i64..6 * DAY, HOUR / 4..DAY, any::<bool>()).prop_map(|(ahead, seconds, nightly)| {
            Incident {
                from: Some(at(OPENED) + ahead),
                to: Some(at(OPENED) + ahead + seconds / if nightly { 6 } else { 1 }),
                cron: nightly.then(|| "17 4 * * *".to_owned()),
                ..incident(Kind::Maintenance)
            }
        });
    prop_oneof![deadline, outage, works]
}

/// Closed for some hours, here and there.
fn policies() -> impl Strategy<Value = CaPolicy> {
    let closed = prop::collection::vec((0_i64..9 * DAY, MINUTE..8 * HOUR), 0..6);
    closed.prop_map(|spans| CaPolicy {
        capacity: spans
            .into_iter()
            .map(|(from, seconds)| closed_between(at(OPENED) + from, at(OPENED) + from + seconds))
            .collect(),
        ..policy()
    })
}

fn plan_of(incident: &Incident, policy: &CaPolicy, all: &[Affected]) -> Result<Plan, Refusal> {
    planned(&scene(incident, policy, at(OPENED), &steady(2.0)), all)
}

/// What a window that moved promises, by the kind of its incident.
fn check(incident: &Incident, policy: &CaPolicy, (validity, before): Affected, new: Span) {
    let now = at(OPENED);
    assert!(
        new.from > validity.not_before && new.to <= validity.not_after && new.from < new.to,
        "in its life"
    );
    if incident.urgent {
        assert!(new.to < before.to && new.seconds() <= 30 * MINUTE, "sooner");
        return;
    }
    assert!(
        new.seconds() == 10 * MINUTE && new.from > now,
        "ahead, and ten minutes long"
    );
    let mut rules = policy.capacity.clone();
    let mut opened = incident.clone();
    opened.state = offpeak::domain::moves::incident::State::Open;
    rules.extend(opened.closes());
    let closed = closed_within(
        &rules,
        Span {
            from: now - 40 * DAY,
            to: now + 400 * DAY,
        },
    );
    let in_closed = |window: Span| closed.iter().any(|shut| shut.overlap_seconds(window) > 0);
    assert!(!in_closed(new), "in open hours");
    let earliest = earliest_seen(policy, validity.life_seconds(), now);
    match incident.kind {
        Kind::Drill | Kind::Revocation => {
            assert!(new.to <= incident.renew_by.unwrap() && new.from >= earliest);
            assert!(
                new.from < before.from || in_closed(before),
                "earlier, or out of closed hours"
            );
        }
        Kind::Maintenance => {
            assert!(in_closed(before) && before.from > now && new.from >= earliest);
        }
        Kind::Outage => {
            let reserve = validity.not_after - reserve_seconds(validity.life_seconds());
            let end = incident.assumed_end(now).unwrap().max(now);
            assert!(new.from >= end, "after it");
            // Room for an hour of pause, a slot to begin with, a slot, and a window.
            let room = reserve > end + HOUR + 40 * MINUTE && policy.capacity.is_empty();
            assert!(
                !room || new.to <= reserve,
                "before the reserve where that is possible"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_plan_keeps_its_promises(
        incident in incidents(),
        policy in policies(),
        all in prop::collection::vec(affected(), 0..60),
    ) {
        let Ok(plan) = plan_of(&incident, &policy, &all) else { return Ok(()) };
        prop_assert_eq!(plan.to_move + plan.stays, u64::try_from(all.len()).unwrap());
        let again = plan_of(&incident, &policy, &all).unwrap();
        prop_assert_eq!(plan.tables(), again.tables());
        let tables = plan.tables();
        let mut moved = 0.0;
        for (number, one) in (0..).zip(&all) {
            let Some((new, basis)) = plan.window(hash(number), one.0, one.1) else { continue };
            moved += 1.0;
            prop_assert_eq!(again.window(hash(number), one.0, one.1), Some((new, basis)));
            check(&incident, &policy, *one, new);
            let repeated = match basis {
                Basis::Table(number_of_table) => {
                    let stored = tables.iter().find(|table| table.number == number_of_table).unwrap();
                    prop_assert!(stored.needed_until >= one.0.not_after);
                    let table: Table = serde_json::from_slice(&stored.bytes).unwrap();
                    table.window(hash(number), one.0.not_after)
                }
                Basis::Span(starts) => in_span(hash(number), starts, new.seconds(), one.0.not_after),
                Basis::Plain(_) | Basis::Tick(_) => unreachable!("no incident gives such a window"),
            };
            prop_assert_eq!(repeated, new);
        }
        let report: f64 = plan.hours().iter().map(|hour| hour.moved).sum();
        prop_assert!((report - moved).abs() < 1e-6);
        prop_assert_eq!(plan.to_move.to_string(), moved.to_string());
        for hour in plan.hours().iter().filter(|hour| hour.moved > 0.0 && !incident.over_budget) {
            prop_assert!(hour.budget.is_none_or(|budget| hour.normal + hour.moved <= budget * 1.000_001));
        }
    }

    #[test]
    fn after_a_deadline_nobody_is_left_that_could_be_moved(
        hours in 12_i64..100,
        all in prop::collection::vec(affected(), 0..60),
    ) {
        let incident = super::revocation(hours, None);
        let plan = plan_of(&incident, &policy(), &all).unwrap();
        for (number, (validity, window)) in (0..).zip(&all) {
            let stays = plan.window(hash(number), *validity, *window).is_none();
            let seen = earliest_seen(&policy(), validity.life_seconds(), at(OPENED));
            let movable = window.from >= seen + 30 * MINUTE && window.to > incident.renew_by.unwrap();
            prop_assert!(!(stays && movable), "{validity:?} {window:?}");
        }
    }

    #[test]
    fn a_refusal_names_what_suffices_and_nothing_more(
        hours in 12_i64..60,
        budget in 2.1..20.0_f64,
        all in prop::collection::vec(affected(), 1..60),
    ) {
        let tight = super::revocation(hours, Some(budget));
        let Err(refusal) = plan_of(&tight, &policy(), &all) else { return Ok(()) };
        let with = |budget_per_hour: f64, renew_by| Incident {
            budget_per_hour: Some(budget_per_hour),
            renew_by: Some(renew_by),
            ..tight.clone()
        };
        let renew_by = tight.renew_by.unwrap();
        let enough = refusal.smallest_budget_per_hour;
        prop_assert!(plan_of(&with(enough, renew_by), &policy(), &all).is_ok());
        prop_assert!(plan_of(&with(enough * 0.99, renew_by), &policy(), &all).is_err());
        let later = refusal.earliest_renew_by;
        prop_assert!(plan_of(&with(budget, later), &policy(), &all).is_ok());
        prop_assert!(plan_of(&with(budget, later - 15 * MINUTE), &policy(), &all).is_err());
    }
}
