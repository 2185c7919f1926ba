use std::collections::HashMap;

use chrono_tz::Europe::Prague;
use proptest::prelude::*;
use serde_json::json;

use super::super::allowed::clock_spans;
use super::*;
use crate::time::HOUR;

/// A ranking with these weights, in thousandths.
fn ranking(thousandths: &[u32]) -> Ranking {
    let slots: Vec<_> = thousandths
        .iter()
        .map(|weight| json!({"weight": f64::from(*weight) / 1000.0, "rank": 1}))
        .collect();
    let minutes = 1440 / thousandths.len();
    let document = json!({
        "schemaVersion": "1.1", "modelVersion": "m", "ca": "example",
        "validUntil": "2026-12-01T00:00:00Z", "slotMinutes": minutes, "slots": slots, "avoid": [],
    });
    Ranking::parse(document.to_string().as_bytes()).unwrap()
}

/// Six slots of four hours.
pub(super) fn six() -> Ranking {
    ranking(&[100, 0, 150, 200, 250, 300])
}

pub(super) fn question(allow: &str, zone: Tz) -> Question {
    Question {
        within_seconds: DAY,
        allow: if allow.is_empty() {
            Vec::new()
        } else {
            clock_spans(allow).unwrap()
        },
        zone,
        slot_seconds: HOUR,
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Uniform bits, different for each number.
pub(super) fn bits(number: u32) -> u128 {
    mixed(u128::from(number) << 64 | 7, i64::from(number))
}

#[test]
fn a_million_draws_match_the_weights() {
    let ranking = six();
    let question = question("", Tz::UTC);
    let mut counts = [0_u32; 6];
    let mut minutes = [0_u32; 60];
    let mut seconds = [0_u32; 60];
    for number in 0..1_000_000 {
        let drawn = drawn(
            &question.pieces(
                &ranking,
                Span {
                    from: at("2026-11-28T10:20:30Z"),
                    to: at("2026-11-29T10:20:30Z"),
                },
            ),
            bits(number),
        )
        .unwrap();
        let second = usize::try_from(drawn.second_of_day()).unwrap();
        counts[second / 14_400] += 1;
        minutes[second / 60 % 60] += 1;
        seconds[second % 60] += 1;
    }
    let chi = |counts: &[u32], share: &dyn Fn(usize) -> f64| -> f64 {
        counts
            .iter()
            .enumerate()
            .filter(|(place, _)| share(*place) > 0.0)
            .map(|(place, count)| {
                let expected = share(place) * 1e6;
                (f64::from(*count) - expected).powi(2) / expected
            })
            .sum()
    };
    assert_eq!(counts[1], 0);
    // A fair draw exceeds 35 (four degrees of freedom) or 133 (59) once in a million times.
    assert!(
        chi(&counts, &|slot| [0.1, 0.0, 0.15, 0.2, 0.25, 0.3][slot]) < 35.0,
        "{counts:?}"
    );
    assert!(chi(&minutes, &|_| 1.0 / 60.0) < 133.0, "{minutes:?}");
    assert!(chi(&seconds, &|_| 1.0 / 60.0) < 133.0, "{seconds:?}");
}

#[test]
fn a_seed_gives_the_same_time_whenever_it_asks() {
    let ranking = six();
    let question = question("", Tz::UTC);
    let mut times = HashMap::new();
    for member in 0..200 {
        let chance = Chance::seeded(&format!("host-{member}")).unwrap();
        let ask = |now: &str| question.draw(&ranking, at(now), chance).unwrap().at;
        let first = ask("2026-11-28T00:00:00Z");
        assert_eq!(
            first.unix().div_euclid(DAY),
            at("2026-11-28T00:00:00Z").unix() / DAY
        );
        for later in [
            "2026-11-28T00:00:01Z",
            "2026-11-28T11:11:11Z",
            "2026-11-29T23:59:59Z",
        ] {
            let again = ask(later);
            assert_eq!(
                again.second_of_day(),
                first.second_of_day(),
                "{member} {later}"
            );
            assert!(
                again > at(later) && again - at(later) <= DAY,
                "{member} {later}"
            );
        }
        *times.entry(first).or_insert(0) += 1;
    }
    assert!(times.len() > 190, "{} times for 200 members", times.len());
}

/// A seed that asks every seven seconds for six hours ahead changes its time only when that time
/// has come, or for one that was out of range before.
#[test]
fn a_seed_keeps_its_time_within_less_than_a_day_until_it_has_come() {
    let ranking = six();
    let question = Question {
        within_seconds: 6 * HOUR,
        ..question("", Tz::UTC)
    };
    let mut changes = 0;
    for member in 0..60 {
        let chance = Chance::seeded(&format!("host-{member}")).unwrap();
        let mut now = at("2026-11-28T09:00:00Z");
        let ask = |now: Timestamp| question.draw(&ranking, now, chance).unwrap().at;
        let mut known = ask(now);
        for _ in 0..600 {
            let reached = now + 6 * HOUR;
            now = now + 7;
            let at = ask(now);
            if at != known {
                assert!(
                    known <= now || at > reached,
                    "{member}: {known} {at} at {now}"
                );
                changes += 1;
            }
            known = at;
        }
    }
    // Each seed has one time in six hours on average, and may switch to a preferred one.
    assert!((10..120).contains(&changes), "{changes} changes");
}

#[test]
fn seeds_within_less_than_a_day_follow_the_weights() {
    let question = Question {
        within_seconds: 12 * HOUR,
        ..question("", Tz::UTC)
    };
    let now = at("2026-11-28T11:59:59Z");
    let mut counts = [0.0; 6];
    for member in 0..20_000 {
        let chance = Chance::seeded(&format!("host-{member}")).unwrap();
        let drawn = question.draw(&six(), now, chance).unwrap();
        counts[usize::try_from(drawn.at.second_of_day() / 14_400).unwrap()] += 1.0;
    }
    // 0.2, 0.25 and 0.3 of 0.75; a fair draw exceeds 28 (two degrees of freedom) once in a million
    // times.
    let chi: f64 = [0.2, 0.25, 0.3]
        .iter()
        .zip(&counts[3..])
        .map(|(weight, count): (&f64, &f64)| {
            let expected = weight / 0.75 * 20_000.0;
            (count - expected).powi(2) / expected
        })
        .sum();
    assert!(chi < 28.0, "{counts:?}");
}

#[test]
fn hours_over_midnight_by_the_clock_on_the_wall() {
    let ranking = six();
    let question = question("22:00-06:00", Prague);
    for number in 0..2_000 {
        let drawn = question
            .draw(
                &ranking,
                at("2026-07-01T12:00:00Z"),
                Chance::Fresh(bits(number)),
            )
            .unwrap();
        // Summer time is two hours ahead: from 20:00 to 04:00.
        let hour = drawn.at.second_of_day() / HOUR;
        assert!(!(4..20).contains(&hour), "{}", drawn.at);
    }
}

#[test]
fn days_of_23_and_25_hours_have_their_hours() {
    let length = |day: &str| {
        let from = at(day);
        let range = Span {
            from: from - 2 * DAY,
            to: from + 2 * DAY,
        };
        let night = clock_spans("00:00-06:00").unwrap();
        open_within(range, &night, Prague, &[])
            .iter()
            .find(|span| span.contains(from))
            .map(|span| span.seconds() / HOUR)
    };
    assert_eq!(length("2026-03-28T00:30:00Z"), Some(6));
    assert_eq!(length("2026-03-29T00:30:00Z"), Some(5));
    assert_eq!(length("2026-10-25T00:30:00Z"), Some(7));
    // The skipped hour does not occur.
    let skipped = Question {
        within_seconds: 12 * HOUR,
        ..question("02:00-03:00", Prague)
    };
    let none = skipped.draw(&six(), at("2026-03-28T20:00:00Z"), Chance::Fresh(bits(1)));
    // The next day has one.
    assert_eq!(none, Err(NoTime::NotAllowed { hours: Some(29) }));
}

#[test]
fn alternatives_lie_in_slots_of_their_own() {
    let question = question("", Tz::UTC);
    for number in 0..500 {
        let now = at("2026-11-28T10:20:30Z");
        let drawn = question
            .draw(&six(), now, Chance::Fresh(bits(number)))
            .unwrap();
        let mut slots = vec![question.slot_of(drawn.at)];
        slots.extend(drawn.alternatives.iter().map(|at| question.slot_of(*at)));
        assert_eq!(slots.len(), 4);
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), 4, "{drawn:?}");
    }
}

#[test]
fn what_is_to_be_avoided_is_left_out() {
    let mut ranking = six();
    let now = at("2026-11-28T00:00:00Z");
    ranking.avoid = vec![Span {
        from: now,
        to: now + 23 * HOUR,
    }];
    for number in 0..200 {
        let drawn = question("", Tz::UTC).draw(&ranking, now, Chance::Fresh(bits(number)));
        assert!(drawn.unwrap().at >= now + 23 * HOUR);
    }
    ranking.avoid = vec![Span {
        from: now,
        to: now + 2 * DAY,
    }];
    let drawn = question("", Tz::UTC).draw(&ranking, now, Chance::Fresh(1));
    let until = now + 2 * DAY;
    assert_eq!(
        drawn,
        Err(NoTime::Closed {
            until,
            hours: Some(49)
        })
    );
}

#[test]
fn a_short_life_is_asked_for_within_its_band() {
    assert_eq!(Question::within_for_life(90 * DAY), Ok(DAY));
    assert_eq!(Question::within_for_life(6 * DAY), Ok(6 * DAY * 15 / 100));
    assert!(Question::within_for_life(HOUR - 1).is_err());
}

#[test]
fn values_that_mean_nothing_are_refused() {
    assert!(Question::within(0).is_err() && Question::within(MOST_SECONDS + 1).is_err());
    assert!(Chance::seeded("").is_err() && Chance::seeded(&"x".repeat(257)).is_err());
}

#[test]
fn lines_for_cron_and_systemd() {
    let at = at("2026-07-01T20:07:09Z");
    assert_eq!(BestTime::cron(at, Prague), "7 22 * * *");
    assert_eq!(
        BestTime::on_calendar(at, Prague),
        "*-*-* 22:07:09 Europe/Prague"
    );
    assert_eq!(
        BestTime::crontab_line(at, Tz::UTC, "renew"),
        "7 20 * * * sleep 9; renew"
    );
}

#[test]
fn what_is_no_span_or_no_ranking_is_refused_with_the_reason() {
    for (text, reason) in [
        ("", "no span"),
        ("25:00-06:00", "no time of the day"),
        ("22:60-06:00", "no time of the day"),
        ("08:00-08:00", "ends where it begins"),
        ("08:00", "no span"),
        ("+8:00-09:00", "no time of the day"),
    ] {
        let error = clock_spans(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    assert_eq!(clock_spans("22-06, 12:30-13").unwrap().len(), 2);
    assert!(clock_spans("00:00-24:00").is_ok());
    let valid = json!({
        "schemaVersion": "1.0", "modelVersion": "m", "ca": null, "slotMinutes": 720,
        "validUntil": "2026-12-01T00:00:00Z", "slots": [{"weight": 0.5}, {"weight": 0.5}], "avoid": [],
    });
    for (field, wrong, reason) in [
        ("schemaVersion", json!("2.0"), "schemaVersion"),
        ("slotMinutes", json!(60), "do not make a day"),
        ("slotMinutes", json!(0), "do not make a day"),
        (
            "slots",
            json!([{"weight": 2.0}, {"weight": 0.0}]),
            "slots[0].weight",
        ),
        ("validUntil", json!("soon"), "soon"),
    ] {
        let mut document = valid.clone();
        document[field] = wrong;
        let error = Ranking::parse(document.to_string().as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{field}: {error}");
    }
    assert!(Ranking::parse(valid.to_string().as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn every_time_lies_ahead_in_an_allowed_slot(
        hash: u128,
        seeded: bool,
        now in 1_780_000_000_i64..1_800_000_000,
        within_hours in 1_i64..400,
        from in 0_i64..24,
        length in 1_i64..24,
    ) {
        let allow = format!("{from:02}:00-{:02}:00", (from + length) % 24);
        prop_assume!(length % 24 != 0);
        let question = Question { within_seconds: within_hours * HOUR, ..question(&allow, Prague) };
        let ranking = ranking(&[100, 50, 150, 200, 250, 250]);
        let now = Timestamp::from_unix(now);
        let chance = if seeded { Chance::Seeded(hash) } else { Chance::Fresh(hash) };
        if let Ok(found) = question.draw(&ranking, now, chance) {
            for at in std::iter::once(found.at).chain(found.alternatives) {
                prop_assert!(at > now && at - now <= within_hours * HOUR);
                let (hour, _, _) = clock(at, Prague);
                let since = (i64::from(hour) - from).rem_euclid(24);
                prop_assert!(since < length, "{at} {allow}");
            }
        } else {
            prop_assert!(within_hours < 30, "nothing within {within_hours} h of {allow}");
        }
    }
}
