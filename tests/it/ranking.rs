//! `ranking.json` and the other documents of a publication.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::publication::documents::documents;
use offpeak::domain::publication::ranking::{Times, rank, rank_together};
use offpeak::domain::time::{DAY, HOUR, Span};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::load::{NOW, at, hour_of, hourly, one_oclock};

mod documents;
mod unknown;

const SCHEMA: &str = include_str!("../../static/schema/ranking-1.json");

fn policy(name: &str) -> CaPolicy {
    CaPolicy::named(name.parse().unwrap())
}

fn times() -> Times {
    Times::new(at(NOW), DAY)
}

fn learn(series: &Series) -> Profile {
    Profile::learn(series, at(NOW), HOUR, &[])
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn nightly(cron: &str, minutes: i64) -> CapacityRule {
    CapacityRule {
        when: When::Recurring {
            cron: Box::new(cron.parse().unwrap()),
            zone: chrono_tz::UTC,
            duration_seconds: minutes * 60,
        },
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    }
}

/// The weights as they are written, in millionths: summing floats would hide what is off.
fn millionths(bytes: &[u8]) -> Vec<u32> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.split("\"weight\":")
        .skip(1)
        .map(|rest| {
            let number = &rest[..rest.find(',').unwrap()];
            let (whole, decimals) = number.split_once('.').unwrap();
            assert!(decimals.len() <= 6, "{number}");
            let decimals: u32 = format!("{decimals:0<6}").parse().unwrap();
            whole.parse::<u32>().unwrap() * 1_000_000 + decimals
        })
        .collect()
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

/// Those of the slots that have one, in time order.
fn ranks(document: &Value) -> Vec<u64> {
    let slots = document["slots"].as_array().unwrap();
    slots.iter().filter_map(|s| s["rank"].as_u64()).collect()
}

/// The documents that are worth a look: known, unknown, half known, fine slots, closed hours.
fn scenes() -> Vec<Vec<u8>> {
    let known = learn(&hourly(28, one_oclock));
    let half = learn(&hourly(3, one_oclock));
    let nothing = learn(&Series::default());
    let fine = Profile::learn(&Series::default(), at(NOW), 300, &[]);
    let mut closing = policy("closing");
    closing.capacity = vec![
        nightly("0 3 * * *", 120),
        nightly("50 0 * * *", 10),
        CapacityRule {
            when: When::Once(Span {
                from: at(NOW) + 3 * DAY,
                to: at(NOW) + 3 * DAY + 2 * HOUR,
            }),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        },
    ];
    let plain = policy("example");
    vec![
        rank(None, &known, &plain, &times()),
        rank(None, &half, &plain, &times()),
        rank(None, &nothing, &plain, &times()),
        rank(None, &fine, &plain, &times()),
        rank(None, &known, &closing, &times()),
        rank_together(
            None,
            &[(&plain, &known), (&closing, &nothing)],
            "production",
            &times(),
        ),
        rank_together(None, &[], "production", &times()),
    ]
}

#[test]
fn the_ranking_is_a_permutation_and_valid_against_its_schema() {
    for document in scenes() {
        let parsed = parsed(&document);
        let ranks = ranks(&parsed);
        let distinct: BTreeSet<u64> = ranks.iter().copied().collect();
        let slots = parsed["slots"].as_array().unwrap();
        let known = slots.iter().filter(|s| s["insufficientData"].is_null());
        assert_eq!(ranks.len(), known.count());
        let n = u64::try_from(ranks.len()).unwrap();
        assert_eq!(distinct, (1..=n).collect());
        assert_eq!(millionths(&document).iter().sum::<u32>(), 1_000_000);
    }
    let Some(python) = std::env::var_os("OFFPEAK_TEST_PYTHON") else {
        println!("skipped: OFFPEAK_TEST_PYTHON names no Python with jsonschema");
        return;
    };
    let documents: Vec<Value> = scenes().iter().map(|bytes| parsed(bytes)).collect();
    assert_eq!(invalid(&python, &documents), Vec::<usize>::new());
    // The schema can refuse: each of these breaks it.
    let breaks: [fn(&mut Value); 7] = [
        |d| d["slots"][0]["rank"] = json!(null),
        |d| d["slots"][0]["coefficient"] = json!(null),
        |d| d["slots"][0]["insufficientData"] = json!(true),
        |d| d["slots"][0]["index"] = json!("loud"),
        |d| d["minutes"] = json!([1.0]),
        |d| d["generatedAt"] = json!("2026-11-16 00:00"),
        |d| drop(d.as_object_mut().unwrap().remove("peak")),
    ];
    let broken: Vec<Value> = breaks
        .iter()
        .map(|break_it| {
            let mut document = documents[0].clone();
            break_it(&mut document);
            document
        })
        .collect();
    assert_eq!(
        invalid(&python, &broken),
        (0..breaks.len()).collect::<Vec<_>>()
    );
}

/// Which of the documents another implementation of JSON Schema refuses.
fn invalid(python: &std::ffi::OsStr, documents: &[Value]) -> Vec<usize> {
    let script = "\
import json, sys
from jsonschema import Draft202012Validator
schema, documents = json.load(sys.stdin)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)
print(json.dumps([i for i, d in enumerate(documents) if not validator.is_valid(d)]))";
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let input = json!([schema, documents]).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_peak_at_one_has_the_last_rank() {
    let document = parsed(&rank(
        None,
        &learn(&hourly(28, one_oclock)),
        &policy("example"),
        &times(),
    ));
    assert_eq!(
        document["peak"],
        json!({"start": "01:00", "coefficient": 2.37})
    );
    let slot = &document["slots"][1];
    assert_eq!(slot["rank"], 24);
    assert_eq!(slot["index"], "very high");
    assert_eq!(slot["weight"], 0.004_167, "a tenth of a 24th");
    assert_eq!(
        (&slot["start"], &slot["end"]),
        (&json!("01:00"), &json!("02:00"))
    );
    assert_eq!(document["slots"][23]["end"], "00:00");
    // Ties are ranked by time.
    assert_eq!(document["quietest"], json!(["00:00", "02:00", "03:00"]));
    assert_eq!(document["week"].as_array().unwrap().len(), 168);
    assert_eq!(
        document["week"][25],
        json!({"day": "tuesday", "start": "01:00", "coefficient": 2.37})
    );
    assert_eq!(document["dataThrough"], NOW);
    assert_eq!(document["nextUpdate"], "2026-11-17T00:00:00Z");
    assert_eq!(document["validUntil"], "2026-11-18T00:00:00Z");
}

#[test]
fn closed_hours_are_not_drawn_and_are_published() {
    let document = parsed(&scenes()[4]);
    for (hour, slot) in document["slots"].as_array().unwrap().iter().enumerate() {
        let is_closed = (3..5).contains(&hour);
        assert_eq!(slot["weight"] == 0.0, is_closed, "{hour}");
        assert_eq!(slot["rank"].as_u64().unwrap() > 22, is_closed, "{hour}");
    }
    let avoid = document["avoid"].as_array().unwrap();
    assert_eq!(
        avoid[0],
        json!({"from": "2026-11-16T00:50:00Z", "to": "2026-11-16T01:00:00Z", "reason": "maintenance"})
    );
    // Two each night of 30; the third night's first lies inside the span of its own.
    assert_eq!(avoid.len(), 60);
    assert!(
        avoid
            .iter()
            .any(|span| span["from"] == "2026-11-19T00:00:00Z")
    );
}

#[test]
fn several_cas_count_by_their_volume() {
    let large = learn(&hourly(
        28,
        |from| if hour_of(from) == 1 { 3_000 } else { 900 },
    ));
    let small = learn(&hourly(
        28,
        |from| if hour_of(from) == 7 { 700 } else { 100 },
    ));
    let nothing = learn(&Series::default());
    let (a, b, default) = (policy("a"), policy("b"), policy(CaName::DEFAULT));
    let document = parsed(&rank_together(
        None,
        &[(&a, &large), (&b, &small)],
        "production",
        &times(),
    ));
    assert_eq!(document["ca"], Value::Null);
    assert_eq!(document["peak"]["start"], "01:00");
    let coefficient = |hour: usize| document["slots"][hour]["coefficient"].as_f64().unwrap();
    let all = (3_000.0 + 23.0 * 900.0 + 700.0 + 23.0 * 100.0) / 24.0;
    for (hour, together) in [(1, 3_100.0), (7, 1_600.0), (12, 1_000.0)] {
        assert!((coefficient(hour) - together / all).abs() < 2e-3, "{hour}");
    }
    // The CA that takes what nobody claims does not make the only CA one of two.
    let with_default = documents(&[], &[(&a, &large), (&default, &nothing)], &times());
    assert_eq!(parsed(&with_default[0].1)["ca"], "a");
    // Staging is another world.
    let mut staging = policy("b");
    staging.environment = "staging".to_owned();
    let apart = documents(&[], &[(&a, &large), (&staging, &small)], &times());
    let first = parsed(&apart[0].1);
    assert_eq!(
        first["slots"],
        parsed(&rank(None, &large, &a, &times()))["slots"]
    );
    assert_eq!(
        (&first["ca"], &first["environment"]),
        (&Value::Null, &json!("production"))
    );
}

#[test]
fn a_million_draws_follow_the_weights() {
    let profile = learn(&hourly(28, |from| {
        500 + 70 * u64::try_from(hour_of(from)).unwrap()
    }));
    let weights = millionths(&rank(None, &profile, &policy("example"), &times()));
    let mut random = StdRng::seed_from_u64(20_261_116);
    let mut drawn = vec![0_u32; weights.len()];
    for _ in 0..1_000_000 {
        let mut left = random.random_range(0..1_000_000_u32);
        let slot = weights
            .iter()
            .position(|weight| match left.checked_sub(*weight) {
                Some(rest) => {
                    left = rest;
                    false
                }
                None => true,
            });
        drawn[slot.unwrap()] += 1;
    }
    let chi2: f64 = drawn
        .iter()
        .zip(&weights)
        .map(|(drawn, weight)| {
            (f64::from(*drawn) - f64::from(*weight)).powi(2) / f64::from(*weight)
        })
        .sum();
    // χ² of 23 degrees of freedom exceeds 49.7 once in a thousand times.
    assert!(chi2 < 49.7, "{chi2}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_document_keeps_its_promises(
        hours in prop::collection::vec(0..10_000_u64, 24),
        share in 0.0..1.0_f64,
        closed in prop::option::of(0..24_u32),
    ) {
        let profile = learn(&hourly(14, |from| hours[hour_of(from)]));
        let mut policy = policy("example");
        policy.steerable_share = share;
        policy.capacity = closed
            .map(|hour| nightly(&format!("0 {hour} * * *"), 60))
            .into_iter()
            .collect();
        let document = rank(None, &profile, &policy, &times());
        prop_assert_eq!(&document, &rank(None, &profile.clone(), &policy, &times()));
        let weights = millionths(&document);
        prop_assert_eq!(weights.iter().sum::<u32>(), 1_000_000);
        for (hour, weight) in weights.iter().enumerate() {
            if closed == Some(u32::try_from(hour).unwrap()) {
                prop_assert_eq!(*weight, 0);
            } else {
                prop_assert!((4_167..=125_000).contains(weight));
            }
        }
        let parsed = parsed(&document);
        let mut order: Vec<(u64, f64)> = ranks(&parsed)
            .into_iter()
            .zip(parsed["slots"].as_array().unwrap())
            .filter(|(rank, _)| *rank < 24 || closed.is_none())
            .map(|(rank, slot)| (rank, slot["coefficient"].as_f64().unwrap_or(1.0)))
            .collect();
        order.sort_by_key(|(rank, _)| *rank);
        prop_assert!(order.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
}
