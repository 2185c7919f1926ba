//! A million serials, each with the draw it would have.

use std::collections::BTreeMap;

use offpeak::domain::moves::incident::Planner;
use offpeak::domain::time::HOUR;

use super::{OPENED, at, hash, later, policy, real, revocation, scene, steady};

/// What the CA issues an hour anyway.
const NORMAL: f64 = 10_000.0;
const BUDGET: f64 = 50_000.0;

#[test]
fn a_million_serials_keep_budget_and_deadline() {
    let incident = revocation(48, Some(BUDGET));
    let (policy, expected) = (policy(), steady(NORMAL));
    let scene = scene(&incident, &policy, at(OPENED), &expected);
    let mut planner = Planner::new();
    for number in 0..1_000_000 {
        let (validity, window) = later(number);
        planner.count(&scene, validity, window);
    }
    let plan = planner.plan(&scene).unwrap();
    assert_eq!((plan.to_move, plan.stays), (1_000_000, 0));

    let mut hours: BTreeMap<i64, usize> = BTreeMap::new();
    let renew_by = incident.renew_by.unwrap();
    for number in 0..1_000_000_u32 {
        let (validity, before) = later(number);
        let (window, _) = plan.window(hash(number), validity, before).unwrap();
        assert!(window.to <= renew_by && window.from >= at(OPENED) + HOUR * 36 / 5);
        // A client comes somewhere in its window: here, spread by its number.
        let comes = window.from + i64::from(number) % window.seconds();
        *hours.entry(comes.slot(HOUR)).or_default() += 1;
    }
    for (hour, moved) in &hours {
        let load = NORMAL + real(*moved);
        assert!(
            load <= BUDGET + 3.0 * BUDGET.sqrt(),
            "{load} in hour {hour}"
        );
    }
    // 48 hours without the first 7.2: 1 million over 40.6 hours, level.
    assert!(hours.len() >= 40, "{}", hours.len());
    // What is told of the hours is what comes.
    for report in plan.hours() {
        let came = hours
            .get(&report.from.slot(HOUR))
            .map_or(0.0, |count| real(*count));
        assert!(
            (came - report.moved).abs() <= 5.0 * report.moved.sqrt() + 1.0,
            "{report:?}: {came}"
        );
    }
}
