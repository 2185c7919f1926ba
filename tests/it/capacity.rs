//! When a CA is closed: by the clock on the wall, across daylight saving, to the minute.

use chrono::{Offset as _, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use offpeak::config::Config;
use offpeak::domain::policy::capacity::{CapacityRule, When, closed_within, over_slots};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};
use proptest::prelude::*;

use crate::load::at;

fn recurring(cron: &str, zone: Tz, duration_seconds: i64) -> CapacityRule {
    CapacityRule {
        when: When::Recurring {
            cron: Box::new(cron.parse().unwrap()),
            zone,
            duration_seconds,
        },
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    }
}

/// The closed spans of one rule over some days, as texts without the year and the seconds.
fn report(cron: &str, zone: Tz, minutes: i64, from: &str, days: i64) -> Vec<String> {
    let range = Span {
        from: at(from),
        to: at(from) + days * DAY,
    };
    closed_within(&[recurring(cron, zone, minutes * MINUTE)], range)
        .iter()
        .map(|span| {
            let short = |at: Timestamp| at.to_string()[5..16].to_owned();
            format!("{} {}", short(span.from), short(span.to))
        })
        .collect()
}

const PRAGUE: Tz = Tz::Europe__Prague;

#[test]
fn an_hour_that_comes_twice_is_closed_twice() {
    // 2026-10-25: 02:00 to 03:00 in Prague is 00:00 to 01:00 UTC, and 01:00 to 02:00 UTC again.
    let report = |cron, minutes| report(cron, PRAGUE, minutes, "2026-10-25T00:00:00Z", 1);
    assert_eq!(report("0 2 * * *", 60), ["10-25T00:00 10-25T02:00"]);
    assert_eq!(
        report("30 2 * * *", 10),
        ["10-25T00:30 10-25T00:40", "10-25T01:30 10-25T01:40"]
    );
    // A pattern with a wildcard names both by itself.
    assert_eq!(
        report("*/30 2 * * *", 5),
        [
            "10-25T00:00 10-25T00:05",
            "10-25T00:30 10-25T00:35",
            "10-25T01:00 10-25T01:05",
            "10-25T01:30 10-25T01:35",
        ]
    );
    // What begins before it lasts until the clock has gone on by as much.
    assert_eq!(report("30 1 * * *", 60), ["10-24T23:30 10-25T01:30"]);
    assert_eq!(report("45 2 * * *", 30), ["10-25T00:45 10-25T02:15"]);
    // A day of 25 hours is closed to its end.
    assert_eq!(report("0 0 * * SUN", 1_440), ["10-24T22:00 10-25T23:00"]);
}

#[test]
fn an_hour_that_is_skipped_is_closed_where_the_clock_goes_on() {
    let after = report("30 2 * * *", PRAGUE, 10, "2027-03-29T00:00:00Z", 1);
    // 2027-03-28: the clock in Prague goes from 02:00 to 03:00 at 01:00 UTC.
    let report = |cron, minutes| report(cron, PRAGUE, minutes, "2027-03-28T00:00:00Z", 1);
    assert_eq!(report("30 2 * * *", 10), ["03-28T01:00 03-28T01:10"]);
    assert_eq!(report("0 2 * * *", 120), ["03-28T01:00 03-28T03:00"]);
    // What begins before it lasts as long as it says.
    assert_eq!(report("30 1 * * *", 60)[0], "03-28T00:30 03-28T01:30");
    assert_eq!(report("30 1 * * *", 120)[0], "03-28T00:30 03-28T02:30");
    // The day after is as ever.
    assert_eq!(after, ["03-29T00:30 03-29T00:40"]);
}

#[test]
fn other_zones_shift_by_other_steps_at_other_hours() {
    // Half an hour, in the southern autumn: 01:30 to 02:00 comes twice on Lord Howe.
    assert_eq!(
        report(
            "40 1 * * *",
            Tz::Australia__Lord_Howe,
            10,
            "2026-04-04T12:00:00Z",
            1
        ),
        ["04-04T14:40 04-04T14:50", "04-04T15:10 04-04T15:20"]
    );
    // Two hours at Troll: 01:00 to 03:00 comes twice.
    assert_eq!(
        report(
            "0 1 * * *",
            Tz::Antarctica__Troll,
            120,
            "2026-10-24T20:00:00Z",
            1
        ),
        ["10-24T23:00 10-25T03:00"]
    );
}

#[test]
fn capacity_is_counted_to_the_second_of_each_slot() {
    let quarter = [recurring("50 0 * * *", Tz::UTC, 10 * MINUTE)];
    let shares = |slot_seconds: i64, count: usize| -> Vec<i64> {
        over_slots(&quarter, at("2026-11-21T00:00:00Z"), slot_seconds, count)
            .iter()
            .map(|slot| offpeak::domain::math::number::whole((slot.share * 3_600.0).round()))
            .collect()
    };
    assert_eq!(shares(HOUR, 2), [3_000, 3_600]);
    assert_eq!(shares(900, 5), [3_600, 3_600, 3_600, 1_200, 3_600]);
    assert_eq!(shares(300, 13)[9..], [3_600, 0, 0, 3_600]);
}

#[test]
fn a_ceiling_is_a_rate_and_a_closed_half_does_not_raise_it() {
    let span = |from: &str, to: &str| {
        When::Once(Span {
            from: at(from),
            to: at(to),
        })
    };
    let rules = [
        CapacityRule {
            when: span("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            share: 1.0,
            ceiling_per_hour: Some(1_200.0),
            name: None,
        },
        CapacityRule {
            when: span("2026-11-21T01:30:00Z", "2026-11-21T02:00:00Z"),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        },
    ];
    let slots = over_slots(&rules, at("2026-11-21T00:00:00Z"), HOUR, 25);
    assert_eq!(slots[0].ceiling, Some(1_200.0));
    assert_eq!(slots[1].ceiling, Some(600.0));
    assert_eq!(slots[24].ceiling, None);
}

#[test]
fn patterns_that_match_on_rare_days_are_found_and_those_of_no_day_are_refused() {
    let leap = report("0 0 29 2 *", Tz::UTC, 60, "2028-02-01T00:00:00Z", 40);
    assert_eq!(leap, ["02-29T00:00 02-29T01:00"]);
    assert_eq!(
        report("0 0 29 2 *", Tz::UTC, 60, "2027-02-01T00:00:00Z", 40),
        [""; 0]
    );
    let rule = |cron: &str| {
        let text = format!(
            "[[ca]]\nname = \"x\"\n[[ca.capacity]]\ncron = \"{cron}\"\nduration = \"1h\"\n\
             capacity = 0\n"
        );
        Config::parse(&text)
    };
    assert!(rule("0 0 29 2 *").is_ok());
    for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2 *"] {
        let errors = rule(never).unwrap_err();
        assert!(
            errors[0].reason.contains("matches at no time"),
            "{never}: {errors:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whoever reads the rule off the clock on the wall finds the CA closed, on any day of the
    /// year, in any zone; and it is never closed for much longer than that.
    #[test]
    fn the_clock_on_the_wall_is_right(
        zone in prop::sample::select(vec![
            Tz::UTC, PRAGUE, Tz::America__New_York, Tz::Australia__Lord_Howe,
            Tz::America__Santiago, Tz::Asia__Kathmandu, Tz::Antarctica__Troll,
        ]),
        hour in 0..24_i64,
        minute in 0..60_i64,
        minutes in 1..600_i64,
        day in 0..730_i64,
    ) {
        let rules = [recurring(&format!("{minute} {hour} * * *"), zone, minutes * MINUTE)];
        let from = at("2026-01-01T00:00:00Z") + day * DAY;
        let range = Span { from, to: from + 2 * DAY };
        let closed = closed_within(&rules, range);
        for n in 0..2 * 24 * 12 {
            let instant = from + n * 5 * MINUTE;
            let local = zone.timestamp_opt(instant.unix(), 0).unwrap();
            let since = (i64::from(local.num_seconds_from_midnight())
                - (hour * HOUR + minute * MINUTE)).rem_euclid(DAY);
            let begin_is_real = {
                // A beginning that the clock skipped that day is another case.
                let begin = local.naive_local() - chrono::Duration::seconds(since);
                zone.from_local_datetime(&begin).earliest().is_some()
            };
            let inside = closed.iter().any(|span| span.contains(instant));
            if since < minutes * MINUTE && begin_is_real {
                prop_assert!(inside, "{instant} is {local}");
            }
            // Offsets two days apart are equal where no clock was shifted.
            let offset = |at: Timestamp| {
                zone.timestamp_opt(at.unix(), 0).unwrap().offset().fix().local_minus_utc()
            };
            let shifted = offset(from - DAY) != offset(range.to + DAY);
            if since >= minutes * MINUTE && !shifted {
                prop_assert!(!inside, "{instant} is {local}");
            }
        }
    }

    /// Shares of slots are what closed spans leave, whatever the slot length.
    #[test]
    fn shares_and_closed_spans_agree(
        spans in prop::collection::vec((0..2_880_i64, 1..400_i64), 0..6),
        slot in prop::sample::select(vec![300_i64, 900, 1_800, 3_600]),
    ) {
        let from = at("2026-11-21T00:00:00Z");
        let rules: Vec<CapacityRule> = spans.iter().map(|(start, minutes)| CapacityRule {
            when: When::Once(Span {
                from: from + start * MINUTE,
                to: from + (start + minutes) * MINUTE,
            }),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        }).collect();
        let range = Span { from, to: from + 2 * DAY };
        let closed = closed_within(&rules, range);
        prop_assert!(closed.windows(2).all(|pair| pair[0].to < pair[1].from));
        let count = usize::try_from(2 * DAY / slot).unwrap();
        for (n, capacity) in (0..).zip(over_slots(&rules, from, slot, count)) {
            let whole = Span { from: from + n * slot, to: from + (n + 1) * slot };
            let shut: i64 = closed.iter().map(|span| span.overlap_seconds(whole)).sum();
            let open = offpeak::domain::math::number::real(slot - shut)
                / offpeak::domain::math::number::real(slot);
            prop_assert!((capacity.share - open).abs() < 1e-9);
        }
    }
}
