//! An outcome as a table, as CSV, as JSON and as a picture, to the byte.

use std::path::Path;

use offpeak::domain::math::number::{length, real, real_len};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};
use offpeak::simulate::outcome::{
    BesideNone, Cycle, Note, Outcome, PeakSeconds, RuleOutcome, WithChance,
};
use offpeak::simulate::report::{csv, json, svg, table};
use offpeak::simulate::scenario::Rule;
use serde_json::Value;

/// A Monday.
const START: Timestamp = Timestamp::from_unix(1_767_571_200);

/// A load that swings by `swing` around the mean within each day, falling from cycle to cycle.
fn rule(rule: Rule, swing: f64, days: i64, cycle_days: i64) -> RuleOutcome {
    let slot = |slot: i64| {
        let cycle = real(slot / (24 * cycle_days));
        let hour = slot % 24;
        let wave = 1.0 - real((hour - 1).abs()) / 11.5;
        1_000.0 * (1.0 + swing * wave / (1.0 + cycle))
    };
    let load: Vec<f64> = (0..days * 24).map(slot).collect();
    let cycles = (1..days / cycle_days).map(|cycle| {
        let first = length(cycle * cycle_days * 24);
        let peak = load[first..].iter().copied().fold(0.0, f64::max) / 1_000.0;
        Cycle {
            span: Span {
                from: START + cycle * cycle_days * DAY,
                to: START + (cycle + 1) * cycle_days * DAY,
            },
            peak_to_mean: peak,
            p99_to_mean: peak - 0.01,
        }
    });
    let cycles: Vec<Cycle> = cycles.collect();
    RuleOutcome {
        rule,
        peak_to_mean: cycles[0].peak_to_mean,
        peak_to_mean_all_days: cycles[0].peak_to_mean + 0.25,
        p99_to_mean: cycles[0].p99_to_mean,
        worst_minute_to_mean: 1.0 + 2.0 * swing,
        worst_second_to_mean: 3.0 + swing,
        extra_issuance: 0.01 / (1.0 + real_len(load.len())),
        peaks: vec![PeakSeconds {
            from: START + HOUR,
            per_second: vec![3, 0, 7],
        }],
        notes: Vec::new(),
        echo_cycles: None,
        beside_none: None,
        with_chance: Vec::new(),
        cycles,
        load,
    }
}

/// Three cycles of two days under all rules.
pub(super) fn small() -> Outcome {
    let mut rules: Vec<RuleOutcome> = Rule::ALL
        .into_iter()
        .zip([1.0, 0.6, 0.4, 0.05])
        .map(|(name, swing)| rule(name, swing, 6, 2))
        .collect();
    rules[3].echo_cycles = Some(2);
    rules[2].beside_none = Some(BesideNone {
        days_above: 1,
        most_above: 0.1,
        day: START + 2 * DAY,
    });
    rules[3].beside_none = Some(BesideNone {
        days_above: 0,
        most_above: -0.4,
        day: START + 5 * DAY,
    });
    rules[3].with_chance = vec![WithChance {
        per_hour: 20.0,
        peak_to_mean: 1.9,
    }];
    rules[3].notes = vec![
        Note {
            name: "recognised clients (share)".to_owned(),
            value: 0.934_56,
        },
        Note {
            name: "smallest budget (certificates an hour)".to_owned(),
            value: 1_080_000.4,
        },
    ];
    Outcome {
        scenario: "small".to_owned(),
        description: "A fixed load that <swings> & settles".to_owned(),
        seed: 7,
        start: START,
        slot_seconds: HOUR,
        mean: 1_000.0,
        floor: 1.0,
        rules,
    }
}

/// Compares with a file of `tests/it/golden`; writes it instead where `OFFPEAK_BLESS` is set.
fn golden(name: &str, bytes: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/golden")
        .join(name);
    if std::env::var_os("OFFPEAK_BLESS").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap();
    assert!(bytes == want, "{name} is no longer what it was:\n{bytes}");
}

fn written(write: impl Fn(&Outcome, &mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&small(), &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_table_the_csvs_the_json_and_the_picture_are_what_they_were() {
    golden("simulate.txt", &table::to_table(&small()));
    golden("simulate-slots.csv", &written(csv::slots));
    golden("simulate-seconds.csv", &written(csv::seconds));
    golden("simulate.json", &json::to_json(&small()).unwrap());
    golden("simulate.svg", &svg::to_svg(&small()));
}

#[test]
fn the_json_has_the_contract_s_names_and_no_others() {
    let text = json::to_json(&small()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let names = |value: &Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(names(&document), "floor rules scenario seed");
    assert_eq!(names(&document["rules"]), "boulder inverse none offpeak");
    let offpeak = &document["rules"]["offpeak"];
    assert_eq!(
        names(offpeak),
        "cycles daysAboveNone extraIssuance mostAboveNone p99ToMean peakToMean peakToMeanAllDays \
         withChance worstMinuteToMean worstSecondToMean"
    );
    assert_eq!(names(&offpeak["withChance"][0]), "peakToMean perHour");
    assert_eq!(document["rules"]["inverse"]["mostAboveNone"], 0.1);
    assert!(document["rules"]["none"]["daysAboveNone"].is_null());
    assert_eq!(names(&offpeak["cycles"][0]), "p99ToMean peakToMean");
    assert_eq!(document["rules"]["none"]["peakToMean"], 1.5);
    assert_eq!(document["rules"]["none"]["peakToMeanAllDays"], 1.75);
    let order: Vec<usize> = Rule::ALL
        .iter()
        .map(|rule| text.find(&format!("\"{}\":", rule.name())).unwrap())
        .collect();
    assert!(order.is_sorted(), "{text}");
}

#[test]
fn the_picture_is_one_file_of_plain_drawing_that_says_what_it_shows() {
    let picture = svg::to_svg(&small());
    for never in [
        "<script", "href", "@import", "url(http", "NaN", "inf", "data:", "<image",
    ] {
        assert!(!picture.contains(never), "{never}");
    }
    assert_eq!(picture.matches("http").count(), 1, "the namespace alone");
    for always in [
        "prefers-color-scheme:dark",
        "role=\"img\" aria-labelledby=\"title desc\"",
        "<title id=\"title\">Load under each rule: small</title>",
        "A fixed load that &lt;swings&gt; &amp; settles. The floor",
        "Under offpeak the busiest slot stands at 1.27 (1.02 without the turns",
        ">time of day, UTC<",
        ">days since 2026-01-05<",
        ">floor 1.00<",
    ] {
        assert!(picture.contains(always), "{always}");
    }
    for rule in Rule::ALL {
        let labels = picture
            .matches(&format!("class=\"label {}\"", rule.name()))
            .count();
        assert_eq!(
            labels,
            2,
            "a label at its strip and one at its line: {}",
            rule.name()
        );
    }
}

#[test]
fn a_long_run_is_drawn_in_as_many_points_as_there_is_room_for() {
    let long = Outcome {
        rules: Rule::ALL
            .into_iter()
            .zip([1.37, 0.6, 0.8, 0.04])
            .map(|(name, swing)| rule(name, swing, 3_000, 600))
            .collect(),
        ..small()
    };
    let picture = svg::to_svg(&long);
    let longest = picture.lines().map(|line| line.matches('L').count()).max();
    // The area goes forth and back.
    assert!(longest.unwrap() <= 2 * 796, "{longest:?}");
    assert!(picture.len() < 200_000, "{}", picture.len());
}

#[test]
fn a_burst_in_the_first_cycle_leaves_its_strip_and_says_how_high_it_was() {
    let mut burst = small();
    burst.rules[0].load[10] = 23_700.0;
    let picture = svg::to_svg(&burst);
    assert!(picture.contains(">↑ 23.7<"), "{picture}");
    assert!(!svg::to_svg(&small()).contains('↑'));
}

#[test]
fn one_rule_and_no_further_cycle_are_drawn_too() {
    let mut short = small();
    short.rules.truncate(1);
    short.rules[0].cycles.clear();
    let picture = svg::to_svg(&short);
    assert!(picture.contains(">The average day<"));
    assert!(!picture.contains("NaN"));
    short.rules[0].load.clear();
    assert!(!svg::to_svg(&short).contains("NaN"));
    assert_eq!(table::to_table(&short).lines().count(), 6);
}
