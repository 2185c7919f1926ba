use std::collections::HashMap;

use chrono_tz::Europe::Prague;
use chrono_tz::Tz;
use serde_json::json;

use super::*;
use crate::math::number::{real, real_len};
use crate::publication::best_time::{Ranking, clock_spans};
use crate::time::{DAY, HOUR, Span, Timestamp};

/// A Saturday, 10:20:30.
pub(super) const NOW: Timestamp = Timestamp::from_unix(1_795_861_230);

pub(super) fn ranking() -> Ranking {
    // The weights of a day with a quiet night and a peak at 01:00.
    let weights: Vec<f64> = (0..24)
        .map(|hour| match hour {
            0..=2 => 0.01,
            3..=15 => 0.04,
            _ => 0.056_25,
        })
        .collect();
    let slots: Vec<_> = weights
        .iter()
        .map(|weight| json!({"weight": weight}))
        .collect();
    let document = json!({
        "schemaVersion": "1.0", "modelVersion": "m", "ca": null, "slotMinutes": 60,
        "validUntil": "2026-12-01T00:00:00Z", "slots": slots, "avoid": [],
    });
    Ranking::parse(document.to_string().as_bytes()).unwrap()
}

pub(super) fn none() -> Catalogue {
    Catalogue::named("none").unwrap()
}

fn lets_encrypt() -> Catalogue {
    Catalogue::named("letsencrypt").unwrap()
}

pub(super) fn terms<'a>(demand: &'a Demand, limits: &'a Catalogue, within: i64) -> Terms<'a> {
    Terms {
        now: NOW,
        demand,
        limits,
        deadline: NOW + within,
        max_per_minute: None,
        max_concurrent: None,
        order_seconds: 60,
        seed: 7,
    }
}

fn hosts(count: usize, domain: &str) -> Vec<Renewal> {
    (0..count)
        .map(|n| Renewal {
            names: vec![format!("h{n}.{}", domain.replace("{n}", &n.to_string()))],
            ..Renewal::default()
        })
        .collect()
}

pub(super) fn counts(times: &[Timestamp], seconds: i64) -> HashMap<i64, usize> {
    let mut found = HashMap::new();
    for at in times {
        *found.entry(at.slot(seconds)).or_default() += 1;
    }
    found
}

#[test]
fn a_hundred_thousand_stand_level_over_the_room_of_the_hours() {
    let demand = Demand::of_ranking(&ranking());
    let limits = none();
    let plan = plan(
        &terms(&demand, &limits, 30 * DAY),
        &vec![Renewal::default(); 100_000],
    )
    .unwrap();
    assert_eq!(plan.times.len(), 100_000);
    let highest = 100_000.0 / 30.0;
    for (slot, count) in counts(&plan.times, HOUR) {
        let hour = usize::try_from(slot.rem_euclid(24)).unwrap();
        let level = real_len(count) / ranking().slots[hour].weight;
        // Rounding changes the number by at most one certificate.
        assert!(level <= highest + 1.01 / 0.01, "{hour}: {count}");
    }
    let seconds = counts(&plan.times, 1);
    let minute_starts = plan.times.iter().filter(|at| at.unix() % 60 == 0).count();
    assert!(
        (1_500..1_850).contains(&minute_starts),
        "{minute_starts} of 1,667"
    );
    assert!(seconds.values().all(|count| *count < 12));
}

#[test]
fn each_certificate_s_own_band_is_kept_and_a_busy_day_is_levelled_around() {
    let demand = Demand::even();
    let limits = none();
    // A thousand with bands of a day that begin over ten days, and 500 with bands of an hour.
    let mut fleet: Vec<Renewal> = (0..1_000)
        .map(|n| {
            let from = NOW + n * 864;
            Renewal {
                window: Some(Span {
                    from,
                    to: from + DAY,
                }),
                ..Renewal::default()
            }
        })
        .collect();
    let from = NOW + 5 * DAY;
    let burst = Renewal {
        window: Some(Span {
            from,
            to: from + 12 * HOUR,
        }),
        ..Renewal::default()
    };
    fleet.extend(vec![burst; 500]);
    let plan = plan(&terms(&demand, &limits, DAY), &fleet).unwrap();
    for (at, renewal) in plan.times.iter().zip(&fleet) {
        assert!(renewal.window.unwrap().contains(*at));
    }
    let highest = counts(&plan.times, HOUR).into_values().max().unwrap();
    // 500 in twelve hours are 42 an hour, plus 4 an hour of the others.
    assert!(highest <= 46, "{highest}");
    assert!(!plan.as_early_as_limits_allow);
}

#[test]
fn an_account_s_orders_keep_to_its_bucket_and_another_account_is_independent() {
    let demand = Demand::even();
    let limits = lets_encrypt();
    let mut fleet = hosts(2_000, "d{n}.example");
    let plan_of = |fleet: &[Renewal], within| plan(&terms(&demand, &limits, within), fleet);
    // 300 at once and one each 36 s allow 2,700 in a day.
    let found = plan_of(&fleet, DAY).unwrap();
    assert_bucket(&found.times, 300, 36);
    // In 12 h 1,500 are possible, for each account.
    let refusal = plan_of(&fleet, 12 * HOUR).unwrap_err();
    assert_eq!(refusal.limit, "new orders per account");
    // The first second is the next one: 300, and 1,199 refilled.
    assert_eq!(refusal.missing.len(), 501);
    assert!(
        refusal.changes.contains(&Change::Accounts(2)),
        "{:?}",
        refusal.changes
    );
    assert!(refusal.changes.contains(&Change::Replaces));
    let deadline = refusal.changes.iter().find_map(|change| match change {
        Change::Deadline(at) => Some(*at - NOW),
        _ => None,
    });
    // 1,700 come from the refill: 17 h, with a margin of one or two quarter hours.
    let spare = deadline.unwrap() - (1_700 * 36 + 2);
    assert!((900..1_800).contains(&spare), "{spare}");
    assert!(plan_of(&fleet, 1_700 * 36 + 2).is_ok());
    assert!(plan_of(&fleet, 1_700 * 36).is_err());
    for (n, renewal) in fleet.iter_mut().enumerate() {
        renewal.account = format!("account-{}", n % 2);
    }
    let found = plan_of(&fleet, 12 * HOUR).unwrap();
    for account in ["account-0", "account-1"] {
        let of = found
            .times
            .iter()
            .zip(&fleet)
            .filter(|(_, r)| r.account == account);
        let times: Vec<Timestamp> = of.map(|(at, _)| *at).collect();
        assert_eq!(times.len(), 1_000);
        assert_bucket(&times, 300, 36);
    }
}

#[test]
fn renewals_by_ari_are_exempt_from_all() {
    let demand = Demand::even();
    let limits = lets_encrypt();
    let mut fleet = hosts(5_000, "example.com");
    for renewal in &mut fleet {
        renewal.by_ari = true;
    }
    let found = plan(&terms(&demand, &limits, DAY), &fleet).unwrap();
    let highest = counts(&found.times, HOUR).into_values().max().unwrap();
    assert!(highest <= 210, "{highest} where 208 are level");
}

#[test]
fn a_registered_domain_and_a_host_have_buckets_of_their_own() {
    let demand = Demand::even();
    let limits = lets_encrypt();
    let mut fleet = hosts(60, "example.co.uk");
    fleet.extend(hosts(60, "other{n}.co.uk"));
    let found = plan(&terms(&demand, &limits, 3 * DAY), &fleet).unwrap();
    assert_bucket(&found.times[..60], 50, 12_120);
    let refusal = plan(&terms(&demand, &limits, DAY), &fleet).unwrap_err();
    assert_eq!(refusal.limit, "certificates per registered domain");
    assert_eq!(
        refusal.missing.len(),
        3,
        "50 and seven of the refill fit into a day"
    );
    // Attempts for one host: five, then one in twelve minutes. Without the limit of the exact set.
    let mut limits = limits;
    limits
        .limits
        .retain(|limit| limit.scope == Scope::Identifier);
    let one = vec![
        Renewal {
            names: vec!["x.example".to_owned()],
            ..Renewal::default()
        };
        12
    ];
    let found = plan(&terms(&demand, &limits, 2 * HOUR), &one).unwrap();
    assert_bucket(&found.times, 5, 720);
    assert!(plan(&terms(&demand, &limits, HOUR), &one).is_err());
}

#[test]
fn a_great_many_of_one_name_are_refused_without_waking_all_for_each_token() {
    let demand = Demand::even();
    let limits = lets_encrypt();
    let same = Renewal {
        names: vec!["same.example".to_owned()],
        ..Renewal::default()
    };
    let refusal = plan(&terms(&demand, &limits, 60 * DAY), &vec![same; 20_000]).unwrap_err();
    assert_eq!(refusal.limit, "certificates per exact set of names");
    // Five, and one each 33.6 hours of 60 days.
    assert_eq!(refusal.missing.len(), 20_000 - 5 - 42);
}

#[test]
fn rate_and_orders_under_way_are_never_exceeded() {
    let demand = Demand::even();
    let limits = none();
    let fleet = vec![Renewal::default(); 1_500];
    let base = terms(&demand, &limits, HOUR);
    let twenty = Terms {
        max_concurrent: Some(20),
        order_seconds: 45,
        ..base.clone()
    };
    let found = plan(&twenty, &fleet).unwrap();
    assert!(most_within(&found.times, 45) <= 20);
    let rate = Terms {
        max_per_minute: Some(26.0),
        ..base.clone()
    };
    let found = plan(&rate, &fleet).unwrap();
    assert!(most_within(&found.times, 60) <= 26);
    let refusal = plan(
        &Terms {
            max_per_minute: Some(5.0),
            ..base.clone()
        },
        &fleet,
    )
    .unwrap_err();
    assert_eq!(
        (refusal.limit.as_str(), refusal.missing.len()),
        ("maxRate", 1_200)
    );
    assert_eq!(refusal.changes[0], Change::MaxRate(25));
    let slow = Terms {
        max_concurrent: Some(1),
        order_seconds: 10,
        ..base
    };
    let refusal = plan(&slow, &fleet).unwrap_err();
    assert_eq!(refusal.limit, "maxConcurrent");
    assert_eq!(refusal.changes[0], Change::MaxConcurrent(5));
    let text = refusal.to_string();
    assert!(
        text.contains("1140 certificates miss their deadline"),
        "{text}"
    );
    assert!(
        text.contains("what would do: maxConcurrent 5, or a deadline of"),
        "{text}"
    );
}

#[test]
fn hours_that_are_not_there_are_named() {
    let demand = Demand::even().allowing(clock_spans("02:00-03:00").unwrap(), Tz::UTC);
    let limits = none();
    let refusal = plan(&terms(&demand, &limits, HOUR), &vec![Renewal::default(); 3]).unwrap_err();
    assert_eq!(refusal.limit, "allow");
    assert_eq!(refusal.changes[0], Change::AllHours);
    assert!(matches!(refusal.changes[1], Change::Deadline(at) if at > NOW + 15 * HOUR));
}

#[test]
fn a_worker_gets_the_pace_and_whether_to_begin() {
    let demand = Demand::even();
    let mut limits = none();
    let fleet = vec![Renewal::default(); 2_400];
    let terms_with = |limits| Terms {
        max_concurrent: Some(3),
        ..terms(&demand, limits, DAY)
    };
    let found = plan(&terms_with(&limits), &fleet).unwrap();
    let advice = found.advice(&terms_with(&limits), 0);
    // 39 min 29 s of the hour are left.
    let left = real(HOUR - 20 * 60 - 31) / 60.0;
    assert!(advice.per_minute * left <= real_len(found.current.count) + 1e-9);
    assert!((1.5..1.8).contains(&advice.per_minute), "{advice:?}");
    assert_eq!((advice.max_concurrent, advice.wait), (2, None));
    assert_eq!(
        found.advice(&terms_with(&limits), 2).wait,
        Some(Waiting::UnderWay(2))
    );
    // The limit in older catalogues: 250 of 300.
    limits.limits.push(Limit {
        name: "pending authorizations".to_owned(),
        scope: Scope::Pending,
        count: 300,
        per_seconds: None,
        refill_seconds: None,
    });
    let wide = Terms {
        order_seconds: 36_000,
        max_concurrent: None,
        ..terms(&demand, &limits, DAY)
    };
    let found = plan(&wide, &fleet).unwrap();
    assert_eq!(found.advice(&wide, 249).wait, None);
    assert_eq!(found.advice(&wide, 250).wait, Some(Waiting::Pending(300)));
    // Nothing is planned in this hour.
    let night = Demand::even().allowing(clock_spans("02:00-05:00").unwrap(), Prague);
    let at_night = terms(&night, &limits, DAY);
    let found = plan(&at_night, &fleet).unwrap();
    let advice = found.advice(&at_night, 0);
    assert_eq!(advice.wait, Some(Waiting::NothingPlanned));
    assert_eq!(
        (
            advice.per_minute.to_string().as_str(),
            advice.max_concurrent
        ),
        ("0", 0)
    );
}

/// Replays the times in order: the bucket must have a whole token whenever one is taken.
pub(super) fn assert_bucket(times: &[Timestamp], burst: i64, refill: i64) {
    let mut times: Vec<i64> = times.iter().map(|at| at.unix()).collect();
    times.sort_unstable();
    let (mut level, mut since) = (burst * refill, times[0]);
    for at in times {
        level = (burst * refill).min(level + at - since) - refill;
        since = at;
        assert!(level >= 0, "overdrawn at {at}");
    }
}

pub(super) fn most_within(times: &[Timestamp], seconds: i64) -> usize {
    let mut times = times.to_vec();
    times.sort_unstable();
    let within = |at: &Timestamp| {
        let end = times.partition_point(|other| *other < *at + seconds);
        end - times.partition_point(|other| other < at)
    };
    times.iter().map(within).max().unwrap_or(0)
}
