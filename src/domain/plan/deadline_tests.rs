//! The deadlines that a refusal proposes work when they are used.

use super::tests::{NOW, none, terms};
use super::*;
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// A limit of ten a minute.
fn slow<'a>(demand: &'a Demand, limits: &'a Catalogue, within: i64) -> Terms<'a> {
    Terms {
        max_per_minute: Some(10.0),
        ..terms(demand, limits, within)
    }
}

/// The fleet as read with this deadline for the plan, some minutes later.
fn again(terms: &Terms<'_>, fleet: &[Renewal], deadline: Timestamp) -> Result<Plan, Box<Refusal>> {
    let later = Terms {
        now: terms.now + 10 * MINUTE,
        deadline,
        ..terms.clone()
    };
    let fleet: Vec<Renewal> = fleet
        .iter()
        .map(|renewal| Renewal {
            window: Some(renewal.window_by(deadline, later.now)),
            ..renewal.clone()
        })
        .collect();
    plan(&later, &fleet)
}

#[test]
fn one_for_a_plan_in_bands_is_one_under_which_everybody_fits() {
    let (demand, limits) = (Demand::even(), none());
    // 1,500 are due within the next hour, which takes two and a half hours, and 6,000 on one day of
    // next week. With a deadline that suffices for the first group alone, the others would have to
    // come at once too.
    let band = |from: Timestamp, seconds: i64| Renewal {
        window: Some(Span {
            from,
            to: from + seconds,
        }),
        until: Some(NOW + 30 * DAY),
        ..Renewal::default()
    };
    let mut fleet = vec![band(NOW + 1, HOUR); 1_500];
    fleet.extend(vec![band(NOW + 7 * DAY, DAY); 6_000]);
    let terms = slow(&demand, &limits, DAY);
    let refusal = plan(&terms, &fleet).unwrap_err();
    let Some(Change::Deadline(deadline)) = refusal.changes.last() else {
        panic!("{:?}", refusal.changes);
    };
    assert!(again(&terms, &fleet, *deadline).is_ok(), "{deadline}");
    // All of them together take twelve and a half hours.
    assert!(*deadline >= NOW + 12 * HOUR, "{deadline}");
}

#[test]
fn where_their_own_deadlines_bind_those_are_proposed_and_not_the_plan_s() {
    let (demand, limits) = (Demand::even(), none());
    let own = |until: Timestamp| Renewal {
        window: Some(Span {
            from: NOW + 1,
            to: until,
        }),
        until: Some(until),
        ..Renewal::default()
    };
    let mut fleet = vec![own(NOW + HOUR); 1_500];
    fleet.extend(vec![own(NOW + 5 * DAY); 100]);
    let terms = slow(&demand, &limits, 10 * DAY);
    let refusal = plan(&terms, &fleet).unwrap_err();
    let Some(Change::OwnDeadlines(deadline)) = refusal.changes.last() else {
        panic!("{:?}", refusal.changes);
    };
    let text = refusal.to_string();
    assert!(
        text.contains(&format!("a deadline of its own of {deadline}")),
        "{text}"
    );
    for place in &refusal.missing {
        fleet[*place] = own(*deadline);
    }
    let times = plan(&terms, &fleet).unwrap().times;
    // A certificate with an earlier deadline keeps it.
    let kept = times
        .iter()
        .zip(&fleet)
        .all(|(at, renewal)| renewal.until.is_some_and(|until| *at < until));
    assert!(kept);
}

#[test]
fn a_time_of_its_own_that_is_earlier_holds_and_a_later_one_does_not() {
    let renewal = |until: i64| Renewal {
        until: Some(NOW + until),
        ..Renewal::default()
    };
    let to = |until: i64| renewal(until).window_by(NOW + DAY, NOW).to;
    assert_eq!(to(HOUR), NOW + HOUR);
    assert_eq!(to(2 * DAY), NOW + DAY);
    // A past deadline cannot be kept.
    assert_eq!(to(-HOUR), NOW + DAY);
}
