//! One of five sources lies: whatever kind it says it is, and for however long.

use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::publication::ranking::{MOST_MOVE, Times, rank};
use offpeak::domain::time::{DAY, HOUR, Timestamp};
use proptest::prelude::*;

/// 2026-11-16T00:00:00Z, a Monday.
const START: i64 = 1_794_787_200;
const DAYS: i64 = 28;
const NOW: Timestamp = Timestamp::from_unix(START + DAYS * DAY);

/// Busy by day, and most at one o'clock.
fn honest(hour: i64) -> u64 {
    let of_day = (hour % 24).unsigned_abs();
    if of_day == 1 {
        2_400
    } else {
        600 + of_day * 25
    }
}

fn add(series: &mut Series, hour: i64, source: Source, kind: Kind, count: u64) {
    add_as("liar", series, hour, (source, kind, count));
}

fn add_as(
    vantage: &str,
    series: &mut Series,
    hour: i64,
    (source, kind, count): (Source, Kind, u64),
) {
    series.add(&Observation {
        seconds: 3_600,
        vantage: Some(vantage.to_owned()),
        ..Observation::plain(
            Timestamp::from_unix(START + hour * HOUR),
            source,
            kind,
            count,
        )
    });
}

/// Four honest sources of four kinds, of which two see a part: a half of it.
fn four() -> Series {
    let mut series = Series::default();
    for hour in 0..DAYS * 24 {
        for (source, count) in [
            (Source::Log, honest(hour)),
            (Source::Metrics, honest(hour) + honest(hour) / 100),
            (Source::Ct, honest(hour) / 2),
        ] {
            add_as("first", &mut series, hour, (source, Kind::Issued, count));
        }
        let count = honest(hour);
        add_as(
            "second",
            &mut series,
            hour,
            (Source::Log, Kind::Issued, count),
        );
    }
    series
}

/// The weights of a first ranking, which no earlier one holds.
fn weights(series: &Series) -> Vec<f64> {
    let policy = CaPolicy::named("example".parse().unwrap());
    let profile = Profile::learn(series, NOW, HOUR, &[]);
    let ranking = rank(None, &profile, &policy, &Times::new(NOW, DAY));
    let ranking: serde_json::Value = serde_json::from_slice(&ranking).unwrap();
    let slots = ranking["slots"].as_array().unwrap();
    slots
        .iter()
        .map(|slot| slot["weight"].as_f64().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_liar_of_five_moves_no_weight_further_than_the_cap_however_long_it_lies(
        kind in prop::sample::select(vec![
            Source::Ca, Source::Log, Source::Metrics, Source::Ct, Source::Import, Source::Observer,
        ]),
        unit in prop::sample::select(vec![Kind::Issued, Kind::Failed]),
        counts in prop::collection::vec(prop_oneof![Just(0_u64), 0..1_000_000_u64], 24),
    ) {
        let mut series = four();
        let before = weights(&series);
        for hour in 0..DAYS * 24 {
            let count = counts[usize::try_from(hour % 24).unwrap()];
            add(&mut series, hour, kind, unit, count);
        }
        let after = weights(&series);
        for (slot, (before, after)) in before.iter().zip(&after).enumerate() {
            // What fails is told by whoever tells of it: that moves weights by the step of a publication.
            if unit == Kind::Issued {
                prop_assert!((before - after).abs() <= MOST_MOVE / 24.0, "{kind} {slot}: {before} {after}");
            }
        }
    }
}

#[test]
fn a_liar_that_claims_to_be_the_ca_moves_neither_rank_nor_level_far() {
    let mut series = four();
    let before = Profile::learn(&series, NOW, HOUR, &[]);
    // Nothing at the peak, and a hundred times as much at the quietest hour, since ever.
    for hour in 0..DAYS * 24 {
        let count = match hour % 24 {
            0 => 100 * honest(hour),
            1 => 0,
            _ => honest(hour),
        };
        add(&mut series, hour, Source::Ca, Kind::Issued, count);
    }
    let after = Profile::learn(&series, NOW, HOUR, &[]);
    for slot in [0, 1] {
        let (before, after) = (&before.day[slot], &after.day[slot]);
        let moved = after.coefficient / before.coefficient;
        assert!((0.88..1.12).contains(&moved), "{slot}: {moved}");
    }
    assert!((after.mean_per_hour() / before.mean_per_hour() - 1.0).abs() < 0.1);
    // Two sources cannot outvote each other: the better one counts.
    let mut two = Series::default();
    for hour in 0..DAYS * 24 {
        add(&mut two, hour, Source::Log, Kind::Issued, honest(hour));
        add(&mut two, hour, Source::Ca, Kind::Issued, 2 * honest(hour));
    }
    let two = Profile::learn(&two, NOW, HOUR, &[]);
    assert!((two.mean_per_hour() / before.mean_per_hour() - 2.0).abs() < 0.1);
}

#[test]
fn what_a_better_source_knows_in_addition_is_kept() {
    // Half of what is asked at one o'clock fails, and that only the CA's log tells: the log's own ratio is known
    // to the others, so that theirs agree.
    let mut series = four();
    for hour in 0..DAYS * 24 {
        let asked = if hour % 24 == 1 { 2 } else { 1 } * honest(hour);
        add(&mut series, hour, Source::Ca, Kind::Issued, honest(hour));
        add(&mut series, hour, Source::Ca, Kind::Attempt, asked);
    }
    let profile = Profile::learn(&series, NOW, HOUR, &[]);
    let ratio = profile.day[1].coefficient / profile.day[2].coefficient;
    let want = 2.0 * 2_400.0 / 650.0;
    assert!((ratio / want - 1.0).abs() < 0.02, "{ratio} {want}");
}

/// The registry is a part of what is logged: to be outvoted by both would be to be outvoted by one.
#[test]
fn what_is_registered_and_what_is_logged_are_one_voice() {
    let mut series = Series::default();
    for hour in 0..DAYS * 24 {
        let wild = if hour % 24 == 5 { 10 } else { 1 };
        for (source, count) in [
            (Source::Log, honest(hour) * wild),
            (Source::Ct, honest(hour)),
            (Source::Registrations, honest(hour)),
        ] {
            add_as("first", &mut series, hour, (source, Kind::Issued, count));
        }
    }
    let profile = Profile::learn(&series, NOW, HOUR, &[]);
    let ratio = profile.day[5].coefficient / profile.day[4].coefficient;
    assert!(ratio > 5.0, "{ratio}");
}
