use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::demand::observation::{Kind, Observation, Source};
use crate::demand::series::Series;
use crate::time::HOUR;

/// The slot lengths in minutes; each divides the one before.
const LENGTHS: [i64; 4] = [60, 30, 15, 5];
/// A Monday.
const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);
const FIVES_IN_DAY: usize = 288;

/// A CA's load and rules.
#[derive(Clone, Debug)]
struct Scene {
    /// Events in each five minutes of the day.
    load: Vec<u64>,
    /// The five-minute parts of the day that no source reported.
    unknown: Vec<usize>,
    /// The minute of the day from which it is closed, and for how many minutes.
    closed: Option<(u32, i64)>,
    steerable_share: f64,
    /// The factor by which Saturdays are busier.
    saturday: u64,
}

impl Scene {
    fn policy(&self, name: &str) -> CaPolicy {
        let mut policy = CaPolicy::named(name.parse().unwrap());
        policy.steerable_share = self.steerable_share;
        policy.capacity.extend(self.closed.map(|(minute, minutes)| {
            let (hour, minute) = (minute / 60, minute % 60);
            CapacityRule {
                when: When::Recurring {
                    cron: Box::new(format!("{minute} {hour} * * *").parse().unwrap()),
                    zone: chrono_tz::UTC,
                    duration_seconds: minutes * MINUTE,
                },
                share: 0.0,
                ceiling_per_hour: None,
                name: None,
            }
        }));
        policy
    }

    /// Profiles learned from 15 days of this load, one for each slot length.
    fn profiles(&self) -> [Profile; 4] {
        let mut series = Series::default();
        for day in -15..0 {
            for (at, count) in self.load.iter().enumerate() {
                if self.unknown.contains(&at) {
                    continue;
                }
                let from = NOW + day * DAY + i64::try_from(at).unwrap() * 5 * MINUTE;
                let times = if (day + 14) % 7 == 5 {
                    self.saturday
                } else {
                    1
                };
                series.add(&Observation {
                    seconds: 300,
                    ..Observation::plain(from, Source::Ca, Kind::Attempt, count * times)
                });
            }
        }
        LENGTHS.map(|minutes| Profile::learn(&series, NOW, minutes * MINUTE, &[]))
    }
}

fn scene() -> impl Strategy<Value = Scene> {
    let load = prop::collection::vec(prop_oneof![8 => 0_u64..60, 1 => 200_u64..900], FIVES_IN_DAY);
    let unknown = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec(0..FIVES_IN_DAY, 1..60),
    ];
    let closed = prop::option::of((0_u32..1_440, 1_i64..1_400));
    (load, unknown, closed, 0.0..1.0_f64, 1_u64..4).prop_map(
        |(load, unknown, closed, steerable_share, saturday)| Scene {
            load,
            unknown,
            closed,
            steerable_share,
            saturday,
        },
    )
}

/// The numbers under one key of a document, as integers in units of their last decimal; `None` if
/// unknown.
fn whole(document: &Value, list: &str, key: &str, one: f64) -> Vec<Option<i64>> {
    let entries = document[list].as_array().unwrap();
    let number = |entry: &Value| {
        entry[key].as_f64().map(|number| {
            #[expect(clippy::cast_possible_truncation, reason = "some millions at most")]
            let whole = (number * one).round() as i64;
            whole
        })
    };
    entries.iter().map(number).collect()
}

/// The number of slots of the coarser document that equal the sum of the finer one's exactly. Fails
/// if one does not.
fn adds_up(coarser: &Value, finer: &Value, list: &str, key: &str, one: f64) -> usize {
    let wholes = whole(coarser, list, key, one);
    let parts = whole(finer, list, key, one);
    let times = parts.len() / wholes.len();
    assert!(times > 1 && parts.len() == times * wholes.len());
    let mut compared = 0;
    for (at, (whole, parts)) in wholes.iter().zip(parts.chunks(times)).enumerate() {
        let Some(sum) = parts.iter().copied().sum::<Option<i64>>() else {
            continue;
        };
        let Some(whole) = whole else { continue };
        // Weights are fractions of one; coefficients are relative to the mean slot of their own
        // length.
        let times = if key == "weight" { 1 } else { times };
        assert_eq!(
            sum,
            whole * i64::try_from(times).unwrap(),
            "{list} {at} {key}"
        );
        compared += 1;
    }
    compared
}

fn check(documents: &[Vec<u8>]) -> usize {
    let documents: Vec<Value> = documents
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).unwrap())
        .collect();
    let mut compared = 0;
    for pair in documents.windows(2) {
        let weights = adds_up(&pair[0], &pair[1], "slots", "weight", 1e6);
        assert_eq!(weights, pair[0]["slots"].as_array().unwrap().len());
        compared += adds_up(&pair[0], &pair[1], "slots", "coefficient", 1e3);
        compared += adds_up(&pair[0], &pair[1], "week", "coefficient", 1e3);
        for key in ["minutes", "overlays", "avoid", "dataFrom", "dataThrough"] {
            assert_eq!(pair[0][key], pair[1][key], "{key}");
        }
    }
    compared
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shorter_slots_sum_exactly_to_longer_ones(one in scene(), other in scene()) {
        let times = Times::new(NOW, DAY);
        let profiles = [one.profiles(), other.profiles()];
        let policies = [one.policy("one"), other.policy("other")];
        let alone: Vec<Vec<u8>> =
            profiles[0].iter().map(|profile| rank(None, profile, &policies[0], &times)).collect();
        let together: Vec<Vec<u8>> = (0..LENGTHS.len())
            .map(|at| {
                let cas = [(&policies[0], &profiles[0][at]), (&policies[1], &profiles[1][at])];
                rank_together(None, &cas, "production", &times)
            })
            .collect();
        // 24 + 48 + 96 slots of the day are compared if all are known; many of them in any case.
        prop_assert!(check(&alone) > 60);
        prop_assert!(check(&together) > 60);
    }
}

#[test]
fn an_outage_within_a_maintenance_is_published_as_an_outage() {
    let hours = |from: i64, to: i64| Span {
        from: NOW + from * HOUR,
        to: NOW + to * HOUR,
    };
    let closed = |span| CapacityRule {
        name: None,
        when: When::Once(span),
        share: 0.0,
        ceiling_per_hour: None,
    };
    let mut policy = CaPolicy::named("example".parse().unwrap());
    let down = [hours(-4, -2), hours(-1, 2), hours(5, 7)];
    let shut = [hours(1, 6), hours(20, 21)];
    policy
        .capacity
        .extend(down.into_iter().chain(shut).map(closed));
    policy.outages.extend(down);
    let ahead = Span {
        from: NOW,
        to: NOW + DAY,
    };
    let spans: Vec<_> = avoided(&[&policy], ahead)
        .iter()
        .map(|avoid| (avoid.from, avoid.to, avoid.reason))
        .collect();
    let of = |from: i64, to: i64, reason| (NOW + from * HOUR, NOW + to * HOUR, reason);
    assert_eq!(
        spans,
        [
            of(-1, 2, "outage"),
            of(2, 5, "maintenance"),
            of(5, 7, "outage"),
            of(20, 21, "maintenance"),
        ]
    );
}

#[test]
fn a_spike_of_half_an_hour_shows_in_halves_and_is_diluted_in_the_hour() {
    let mut load = vec![100; FIVES_IN_DAY];
    load[..6].fill(900);
    let scene = Scene {
        load,
        unknown: Vec::new(),
        closed: None,
        steerable_share: 0.5,
        saturday: 1,
    };
    let first = |profile: &Profile| profile.day[0].coefficient;
    let [hours, halves, quarters, fives] = scene.profiles();
    assert!(halves.day[0].coefficient > 1.5 * first(&hours));
    assert!(
        (f64::midpoint(halves.day[0].coefficient, halves.day[1].coefficient) - first(&hours)).abs()
            < 1e-9
    );
    assert!((first(&quarters) - first(&halves)).abs() < 0.05 * first(&halves));
    assert!((first(&fives) - first(&halves)).abs() < 0.05 * first(&halves));
}

#[test]
fn a_slot_with_too_few_events_counts_as_the_longer_one() {
    let mut load = vec![40; FIVES_IN_DAY];
    load[..12].fill(90);
    let scene = Scene {
        load,
        unknown: vec![0, 1],
        closed: None,
        steerable_share: 0.5,
        saturday: 1,
    };
    let [hours, _, _, fives] = scene.profiles();
    assert_eq!(fives.day[0].evidence, Evidence::Insufficient);
    assert_eq!(hours.day[0].evidence, Evidence::Sufficient);
    let off = fives.day[0].coefficient - hours.day[0].coefficient;
    assert!(off.abs() < 0.1 * hours.day[0].coefficient, "{off}");
    assert_eq!(hours.slot_seconds, HOUR);
}
