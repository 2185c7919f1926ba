use std::collections::HashMap;

use chrono_tz::Europe::Prague;
use proptest::prelude::*;

use super::tests::{NOW, assert_bucket, counts, most_within, none, ranking, terms};
use super::*;
use crate::math::number::{real, real_len, whole};
use crate::publication::best_time::clock_spans;
use crate::time::{DAY, HOUR, Span, Timestamp, WEEK};

#[derive(Clone, Debug)]
struct Case {
    fleet: Vec<Renewal>,
    allow: Option<(i64, i64)>,
    within: i64,
    rate: Option<f64>,
    concurrent: Option<u32>,
    seed: u128,
}

fn case() -> impl Strategy<Value = Case> {
    let renewal = (
        0_usize..3,
        0_usize..4,
        0_usize..30,
        any::<bool>(),
        prop::option::of((0_i64..3 * DAY, 5 * 60..2 * DAY)),
    )
        .prop_map(|(account, domain, host, by_ari, window)| Renewal {
            window: window.map(|(from, length)| Span {
                from: NOW + 1 + from,
                to: NOW + 1 + from + length,
            }),
            account: format!("a{account}"),
            names: vec![format!("h{host}.d{domain}.example")],
            by_ari,
            ..Renewal::default()
        });
    (
        prop::collection::vec(renewal, 1..120),
        prop::option::of((0_i64..24, 1_i64..24)),
        HOUR..5 * DAY,
        prop::option::of(0.05..4.0_f64),
        prop::option::of(1_u32..4),
        any::<u128>(),
    )
        .prop_map(|(fleet, allow, within, rate, concurrent, seed)| Case {
            fleet,
            allow,
            within,
            rate,
            concurrent,
            seed,
        })
}

/// Buckets so small that they limit.
fn tight() -> Catalogue {
    Catalogue::parse(
        br#"{"name":"tight","asOf":"2026-01-01","source":"-","ariRenewalsAreExempt":true,"limits":[
            {"name":"a","scope":"account","count":6,"refillSeconds":900,"perSeconds":5400},
            {"name":"d","scope":"registeredDomain","count":5,"refillSeconds":1800},
            {"name":"e","scope":"exactSet","count":2,"refillSeconds":3600},
            {"name":"i","scope":"identifier","count":3,"refillSeconds":700}]}"#,
    )
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_promise_of_a_plan_is_kept(case in case()) {
        let limits = tight();
        let allow = case.allow.map(|(from, length)| format!("{from:02}:00-{:02}:00", (from + length) % 24));
        let demand = Demand::of_ranking(&ranking());
        let spans = allow.as_deref().map(|text| clock_spans(text).unwrap()).unwrap_or_default();
        let demand = demand.allowing(spans, Prague);
        let terms = Terms {
            max_per_minute: case.rate,
            max_concurrent: case.concurrent,
            seed: case.seed,
            ..terms(&demand, &limits, case.within)
        };
        let again = plan(&terms, &case.fleet);
        let found = match plan(&terms, &case.fleet) {
            Ok(found) => found,
            Err(refusal) => {
                prop_assert!(!refusal.missing.is_empty());
                prop_assert_eq!(again, Err(refusal));
                return Ok(());
            }
        };
        prop_assert_eq!(again.as_ref(), Ok(&found));
        prop_assert_eq!(found.times.len(), case.fleet.len());
        let mut drawn: HashMap<(usize, String), Vec<Timestamp>> = HashMap::new();
        for (at, renewal) in found.times.iter().zip(&case.fleet) {
            let usual = Span { from: NOW + 1, to: NOW + case.within };
            prop_assert!(renewal.window.unwrap_or(usual).contains(*at));
            if let Some((from, length)) = case.allow {
                // In November, Prague is an hour ahead of UTC.
                let hour = (*at + HOUR).second_of_day() / HOUR;
                prop_assert!((hour - from).rem_euclid(24) < length, "{at}");
            }
            if !renewal.by_ari {
                let name = renewal.names[0].clone();
                let domain = name.split_once('.').unwrap().1.to_owned();
                let host = format!("{} {name}", renewal.account);
                for (limit, key) in [renewal.account.clone(), domain, name, host].into_iter().enumerate() {
                    drawn.entry((limit, key)).or_default().push(*at);
                }
            }
        }
        for ((limit, _), times) in &drawn {
            let (burst, refill) = [(6, 900), (5, 1_800), (2, 3_600), (3, 700)][*limit];
            assert_bucket(times, burst, refill);
        }
        if let Some(most) = case.concurrent {
            prop_assert!(most_within(&found.times, 60) <= usize::try_from(most).unwrap());
        }
        if let Some(rate) = case.rate {
            let (most, seconds) = if rate >= 1.0 { (whole(rate), 60) } else { (1, whole(60.0 / rate)) };
            prop_assert!(most_within(&found.times, seconds) <= usize::try_from(most).unwrap());
        }
    }

    /// If only deadlines limit, no slot exceeds the lowest possible level.
    #[test]
    fn no_slot_stands_above_the_water(
        deadlines in prop::collection::vec(1_i64..5, 1..300),
        seed: u128,
    ) {
        let demand = Demand::of_ranking(&ranking());
        let limits = none();
        let fleet: Vec<Renewal> = deadlines
            .iter()
            .map(|days| Renewal {
                window: Some(Span { from: NOW + 1, to: NOW + 1 + days * DAY }),
                ..Renewal::default()
            })
            .collect();
        let terms = Terms { seed, ..terms(&demand, &limits, WEEK) };
        let found = plan(&terms, &fleet).unwrap();
        // A day has a room of 1. Each deadline needs what is due by then, spread over the days
        // until then.
        let lowest = (1..5)
            .map(|days| real_len(deadlines.iter().filter(|due| **due <= days).count()) / real(days))
            .fold(0.0, f64::max);
        for (slot, count) in counts(&found.times, HOUR) {
            let weight = ranking().slots[usize::try_from(slot.rem_euclid(24)).unwrap()].weight;
            prop_assert!(real_len(count) <= (lowest * weight).ceil() + 1.0);
        }
    }
}
