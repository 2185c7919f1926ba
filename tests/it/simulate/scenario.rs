//! What scenarios mean, and what is said of those that mean nothing.

#![expect(
    clippy::float_cmp,
    reason = "what is parsed is exactly what was written"
)]

use std::io;

use offpeak::domain::policy::capacity::When;
use offpeak::domain::time::{DAY, HOUR, MINUTE};
use offpeak::simulate::scenario::{
    BeyondBudget, ClientKind, Incident, Rule, SHIPPED, Scenario, Ticks, shipped,
};

/// The least that a scenario has to say.
const LEAST: &str = r#"
certificates_per_hour = 100
[[client]]
name = "all"
kind = "exact"
share = 1
"#;

fn no_files(_: &str) -> io::Result<String> {
    Err(io::ErrorKind::NotFound.into())
}

fn parse(text: &str) -> Result<Scenario, Vec<String>> {
    Scenario::parse("x", text, &no_files)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn of_shipped(name: &str) -> Scenario {
    parse(shipped(name).unwrap().text).unwrap()
}

fn share_of(scenario: &Scenario, kinds: &[ClientKind]) -> f64 {
    let some = scenario
        .clients
        .iter()
        .filter(|client| kinds.contains(&client.kind));
    some.map(|client| client.share).sum()
}

#[test]
fn what_a_scenario_does_not_say_is_the_base_population() {
    let scenario = parse(LEAST).unwrap();
    assert_eq!(scenario.seed, 1);
    assert_eq!(scenario.rules, Rule::ALL);
    assert_eq!(scenario.start.second_of_week(), 0);
    assert_eq!(
        (scenario.first_cycle_days, scenario.cycles, scenario.days),
        (60, 4, 300)
    );
    let peak = scenario.hours[1] * scenario.weekdays[1];
    assert!((peak - 2.37).abs() < 0.005, "{peak}");
    assert!((scenario.hours.iter().sum::<f64>() - 24.0).abs() < 1e-9);
    assert!((scenario.weekdays.iter().sum::<f64>() - 7.0).abs() < 1e-9);
    assert_eq!(scenario.policy.follow_prior, 0.3);
    assert_eq!(scenario.policy.slot_seconds, HOUR);
    let lives: Vec<(i64, f64)> = scenario
        .lifetimes
        .iter()
        .map(|life| (life.seconds, life.share))
        .collect();
    assert_eq!(lives, [(90 * DAY, 1.0)]);
    let returns: Vec<(i64, f64)> = scenario
        .returns
        .iter()
        .map(|back| (back.delay_seconds, back.share))
        .collect();
    assert_eq!(returns, [(0, 0.5), (DAY, 0.5)]);
    assert_eq!(scenario.failures, None);
    assert_eq!(scenario.arrivals, None);
}

#[test]
fn a_run_of_fewer_days_has_the_cycles_that_fit() {
    let scenario = parse(LEAST).unwrap().for_days(200);
    assert_eq!((scenario.days, scenario.cycles), (200, 2));
    assert_eq!(scenario.span().seconds(), 200 * DAY);
}

/// A scenario with one mistake and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    (
        "certificates_per_hour = 1",
        "1: client: there is no client: write [[client]]",
    ),
    (
        "certificates_per_hour = 1\n[[client]]\nname=\"a\"\nkind=\"exact\"\nshare=0.5\n[[client]]\nname=\"b\"\nkind=\"no-ari\"\nshare=0.4",
        "2: client: the shares of [[client]] sum to 0.900, not to 1",
    ),
    (
        "<seeds = 3",
        "1: seeds: there is no such key; did you mean \"seed\"?",
    ),
    ("<seed = -1", "1: seed: -1 is less than 0"),
    (
        "<hours = [1, 2]",
        "1: hours: takes 24 numbers, one for each hour of the day, not 2",
    ),
    (
        "<weekdays = [0,0,0,0,0,0,0]",
        "1: weekdays: is 0 throughout",
    ),
    (
        "<weekdays = [0,0,0,-1,0,0,0]",
        "1: weekdays: -1 is less than 0",
    ),
    (
        "<rules = [\"none\", \"boulders\"]",
        "1: rules[1]: \"boulders\" is none of none, boulder, inverse, offpeak; did you mean \"boulder\"?",
    ),
    ("<rules = []", "1: rules: names no rule"),
    (
        "<start = 2026-01-05T00:30:00Z",
        "1: start: 2026-01-05T00:30:00Z is no full hour",
    ),
    (
        "<cycles = 100",
        "1: cycles: the run has 6060 days in all: 3653 is the most",
    ),
    (
        ">[policy]\nslot_minutes = 7",
        "8: policy.slot_minutes: 7 is none of 60, 30, 15 and 5",
    ),
    (
        ">[policy]\nname = \"x\"",
        "8: policy.name: there is no such key",
    ),
    (
        ">[[lifetime]]\nlife = \"90d\"\nshare = 0.5",
        "7: lifetime: the shares of [[lifetime]] sum to 0.500, not to 1",
    ),
    (
        ">[[lifetime]]\nlife = \"90d\"\nshare = 1\nchange = { day = 300, life = \"45d\" }",
        "10: lifetime[0].change.day: 300 is not in the run, which has the days 0 to 299",
    ),
    (
        ">[[return]]\ndelay = \"1h\"\nshare = 0.25",
        "7: return: the shares of [[return]] sum to 0.250, not to 1",
    ),
    (
        ">[[burst]]\nday = 1\nat = \"25:00\"\nduration = \"6h\"\nfactor = 10",
        "9: burst[0].at: \"25:00\" is no time of day: write \"18:35\" or \"18:35:00\"",
    ),
    (
        ">[[burst]]\nday = 1\nfactor = 10",
        "7: burst[0].duration: is missing",
    ),
    (">[failures]\nshare = 0.4", "7: failures.above: is missing"),
    (
        ">[[revocation]]\nday = 1\nshare = 3\nrenew_by = \"24h\"\nbudget = 4",
        "9: revocation[0].share: 3 is not between 0 and 1",
    ),
    (
        ">[[client]]\nname = \"all\"\nkind = \"no-ari\"\nshare = 0",
        "8: client[1].name: \"all\" is the name of another client too",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"no-arri\"\nshare = 0",
        "9: client[1].kind: \"no-arri\" is none of cron-next-tick, cron-redraw, exact, mod-md, never-succeeds, no-ari, start-of-window, ticking; did you mean \"no-ari\"?",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"cron-redraw\"\nshare = 0",
        "7: client[1].ticks: is missing: a cron-redraw client wakes at ticks",
    ),
    (
        ">ticks = { every = \"12h\" }",
        "7: client[0].ticks: an exact client runs all the time: it has no ticks",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"cron-redraw\"\nshare = 0\nticks = { every = \"7h\" }",
        "11: client[1].ticks.every: 7h does not divide a day",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"cron-redraw\"\nshare = 0\nticks = { every = \"1h\", at = [{ time = \"01:00\", share = 1 }] }",
        "11: client[1].ticks.at[0].time: is not in the period, which ends after 1h",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"cron-redraw\"\nshare = 0\nticks = { every = \"1h\", at = [{ time = \"00:00\", share = 0.7 }, { time = \"00:30\", share = 0.7 }] }",
        "11: client[1].ticks.at: the shares sum to 1.400, more than 1",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"mod-md\"\nshare = 0\nticks = { least = \"6h\", most = \"5h\" }",
        "11: client[1].ticks.most: is less than least",
    ),
    (
        ">[[client]]\nname = \"b\"\nkind = \"mod-md\"\nshare = 0\nticks = {}",
        "11: client[1].ticks: says not when: give every, or least and most",
    ),
];

#[test]
fn each_mistake_is_named_by_line_and_key() {
    for (text, want) in MISTAKES {
        let text = match text.split_at(1) {
            ("<", first) => format!("{first}{LEAST}"),
            (">", last) => format!("{LEAST}{last}"),
            _ => (*text).to_owned(),
        };
        assert_eq!(parse(&text).expect_err(&text), [*want], "{text}");
    }
    let errors = parse(&format!("seed = {LEAST}")).unwrap_err();
    assert!(
        errors[0].starts_with("1: seed: this is no TOML: "),
        "{errors:?}"
    );
}

#[test]
fn what_comes_with_the_program_is_valid_and_says_where_its_shares_come_from() {
    assert!(SHIPPED.is_sorted_by_key(|shipped| shipped.name));
    for known in SHIPPED {
        let scenario = of_shipped(known.name);
        assert!(!scenario.description.is_empty(), "{}", known.name);
        assert_eq!(scenario.certificates_per_hour, 40_000.0, "{}", known.name);
        for client in &scenario.clients {
            assert!(!client.source.is_empty(), "{}: {}", known.name, client.name);
        }
    }
}

#[test]
fn every_file_of_the_folder_comes_with_the_program() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let shipped: Vec<String> = SHIPPED
        .iter()
        .map(|shipped| format!("{}.toml", shipped.name))
        .collect();
    assert_eq!(names, shipped);
}

#[test]
fn the_base_scenarios_have_the_share_in_their_names() {
    for (name, follow) in [("base-0.3", 0.3), ("base-0.6", 0.6), ("base-0.9", 0.9)] {
        let scenario = of_shipped(name);
        assert_eq!(share_of(&scenario, &[ClientKind::Exact]), follow);
        assert!((share_of(&scenario, &[ClientKind::NoAri]) - (1.0 - follow)).abs() < 1e-12);
    }
}

#[test]
fn the_incidents_are_those_of_the_design() {
    let outage = of_shipped("outage");
    let [
        Incident::Outage {
            span,
            opened_after_seconds,
            retry_seconds,
        },
    ] = outage.incidents[..]
    else {
        panic!("{:?}", outage.incidents);
    };
    assert_eq!(span.from.second_of_day(), 18 * HOUR + 35 * MINUTE);
    assert_eq!(span.to.second_of_day(), 2 * HOUR + 22 * MINUTE);
    assert_eq!((opened_after_seconds, retry_seconds), (600, HOUR));
    for (name, of_all) in [("revocation-3", 0.03), ("revocation-30", 0.3)] {
        let scenario = of_shipped(name);
        let [
            Incident::Revocation {
                at,
                share,
                renew_by,
                budget,
                beyond_budget,
            },
        ] = scenario.incidents[..]
        else {
            panic!("{:?}", scenario.incidents);
        };
        assert_eq!((share, renew_by - at, budget), (of_all, DAY, 4.0));
        assert_eq!(beyond_budget, BeyondBudget::Refuse);
    }
}

#[test]
fn the_others_say_what_their_names_promise() {
    let burst = of_shipped("burst").bursts[0];
    assert_eq!((burst.span.seconds(), burst.factor), (6 * HOUR, 10.0));
    let delays = of_shipped("late-return")
        .returns
        .into_iter()
        .map(|back| back.delay_seconds);
    assert!(delays.eq([HOUR, 25 * HOUR]));
    let failures = of_shipped("retries").failures.unwrap();
    assert_eq!((failures.share, failures.retry_seconds), (0.4, DAY));
    let mut lives: Vec<i64> = of_shipped("lifetimes")
        .lifetimes
        .iter()
        .map(|life| life.seconds / HOUR)
        .collect();
    lives.sort_unstable();
    assert_eq!(lives, [160, 45 * 24, 47 * 24, 64 * 24, 90 * 24, 398 * 24]);
    let halved = of_shipped("lifetimes").lifetimes[4].change.unwrap();
    assert_eq!(halved.seconds, 45 * DAY);
    let closed = of_shipped("closed").policy.capacity;
    assert_eq!(closed.iter().filter(|rule| rule.share == 0.0).count(), 2);
    assert!(closed.iter().any(|rule| matches!(
        &rule.when,
        When::Recurring { zone, .. } if zone.name() == "Europe/Prague"
    )));
}

#[test]
fn ticks_are_the_prototype_s_and_the_realistic_mix_has_every_kind() {
    let ticks = of_shipped("ticks");
    assert_eq!(share_of(&ticks, &[ClientKind::NoAri]), 0.4);
    assert_eq!(share_of(&ticks, &[ClientKind::Exact]), 0.2);
    let crons = ticks.clients.iter().filter_map(|client| {
        let Some(Ticks::Fixed {
            every_seconds,
            at,
            grain_seconds,
            ..
        }) = &client.ticks
        else {
            return None;
        };
        Some((
            client.share,
            *every_seconds,
            at[0].second,
            at[0].share,
            *grain_seconds,
        ))
    });
    assert!(crons.eq([(0.2, 12 * HOUR, 0, 0.4, 60)]));
    let timers = ticks
        .clients
        .iter()
        .filter_map(|client| match client.ticks {
            Some(Ticks::Random {
                every_seconds,
                up_to_seconds,
            }) => Some((client.share, every_seconds, up_to_seconds)),
            _ => None,
        });
    assert!(timers.eq([(0.2, 12 * HOUR, 12 * HOUR)]));
    let realistic = of_shipped("realistic");
    for kind in [
        ClientKind::NoAri,
        ClientKind::Exact,
        ClientKind::Ticking,
        ClientKind::CronRedraw,
        ClientKind::CronNextTick,
        ClientKind::StartOfWindow,
        ClientKind::ModMd,
        ClientKind::NeverSucceeds,
    ] {
        assert!(share_of(&realistic, &[kind]) > 0.0, "{}", kind.name());
    }
    let without = share_of(&realistic, &[ClientKind::NoAri, ClientKind::NeverSucceeds]);
    assert!((without - 0.5).abs() < 1e-9, "{without}");
}

#[test]
fn the_manual_s_scenario_is_valid_and_what_it_calls_defaults_are_the_defaults() {
    let manual = include_str!("../../../docs/simulation.md");
    let blocks: Vec<&str> = manual
        .split("```toml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .collect();
    let [client, defaults, csv, events] = blocks[..] else {
        panic!("{blocks:?}");
    };
    // Keys of the root stand before the first table.
    let (keys, clients) = client.split_at(client.find("[[client]]").unwrap());
    let least = parse(client).unwrap();
    let whole = parse(&format!("{keys}\n{defaults}\n{clients}")).unwrap();
    assert_eq!(whole, least);
    let counts = Scenario::parse("x", &format!("{csv}{client}"), &|path| {
        assert_eq!(path, "counts.csv");
        Ok("timestamp,value\n2026-01-05,1\n2026-01-06,1\n".to_owned())
    });
    assert_eq!(
        counts.unwrap().arrivals.map(|series| series.len()),
        Some(48)
    );
    let befallen = parse(&format!("{client}\n{events}")).unwrap();
    assert_eq!(befallen.bursts.len() + befallen.incidents.len(), 3);
    assert_eq!(befallen.failures.unwrap().above, 1.5);
}
