//! `offpeak simulate`, around the simulator: what it reads, and what it writes where.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::Parser;
use offpeak::cli::simulate::Simulate;
use offpeak::cli::{InvalidConfig, UsageError};
use offpeak::simulate::scenario::{SHIPPED, Scenario};

use super::report::small;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    simulate: Simulate,
}

/// What it printed and the scenario that it ran, if any.
fn run(arguments: &[&str]) -> anyhow::Result<(String, Option<Scenario>)> {
    let all = ["simulate"].iter().chain(arguments);
    let CommandLine { simulate } = CommandLine::try_parse_from(all)?;
    let mut printed = Vec::new();
    let mut ran = None;
    simulate.run(&mut printed, |scenario, progress| {
        progress(0.5);
        ran = Some(scenario.clone());
        let mut outcome = small();
        outcome.scenario.clone_from(&scenario.name);
        outcome.seed = scenario.seed;
        outcome
    })?;
    Ok((String::from_utf8(printed)?, ran))
}

fn path_text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_list_names_what_comes_with_the_program() {
    let (printed, ran) = run(&["--list"]).unwrap();
    // The files, and midnight, which is made of one of them.
    assert_eq!(printed.lines().count(), SHIPPED.len() + 1);
    assert!(printed.contains("\nmidnight "), "{printed}");
    assert!(
        printed.starts_with("base-0.3       Three in ten clients"),
        "{printed}"
    );
    assert!(ran.is_none());
}

#[test]
fn a_shipped_scenario_runs_by_its_name_and_prints_the_table() {
    let (printed, ran) = run(&["base-0.6"]).unwrap();
    let ran = ran.unwrap();
    assert_eq!(
        (ran.name.as_str(), ran.seed, ran.days),
        ("base-0.6", 1, 300)
    );
    assert!(printed.starts_with("base-0.6: "), "{printed}");
    assert!(printed.contains("\noffpeak  1.275"), "{printed}");
}

#[test]
fn seed_and_days_of_the_command_line_go_over_the_scenario_s() {
    let (printed, ran) = run(&["base-0.6", "--seed", "9", "--days", "200", "--json"]).unwrap();
    let ran = ran.unwrap();
    assert_eq!((ran.seed, ran.days, ran.cycles), (9, 200, 2));
    assert!(printed.starts_with(r#"{"scenario":"base-0.6","seed":9,"floor":1.0,"#));
    assert!(printed.ends_with("}\n"));
    let whole = run(&["base-0.6", "--days", "120"]).unwrap().1.unwrap();
    assert_eq!((whole.days, whole.cycles), (120, 1));
    // Within the first cycle, and without a whole one after it.
    for short in ["60", "61", "119"] {
        let error = run(&["base-0.6", "--days", short]).unwrap_err();
        assert!(error.is::<UsageError>(), "{error}");
        assert!(
            error.to_string().contains("it takes 120 or more"),
            "{error}"
        );
    }
    for wrong in [
        &["--seed", "1"][..],
        &["base-0.6", "--list"],
        &["base-0.6", "--days", "0"],
    ] {
        assert!(run(wrong).unwrap_err().is::<clap::Error>(), "{wrong:?}");
    }
}

#[test]
fn a_scenario_s_file_names_counts_beside_it_and_files_are_written_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut counts = "at,n\n".to_owned();
    for hour in 0..24 {
        writeln!(counts, "2020-01-06T{hour:02}:00:00Z,{}", hour + 1).unwrap();
    }
    fs::write(folder.path().join("counts.csv"), counts).unwrap();
    let file = folder.path().join("mine.toml");
    let text = "certificates_per_hour = 10\narrivals = { csv = \"counts.csv\", time = \"at\", count = \"n\" }\n[[client]]\nname = \"a\"\nkind = \"exact\"\nshare = 1\n";
    fs::write(&file, text).unwrap();
    let (tables, picture) = (
        folder.path().join("out/deep"),
        folder.path().join("load.svg"),
    );
    let arguments = [
        path_text(&file),
        "--csv",
        path_text(&tables),
        "--svg",
        path_text(&picture),
    ];
    let (_, ran) = run(&arguments).unwrap();
    assert_eq!(ran.unwrap().arrivals.unwrap().len(), 24);
    let slots = fs::read_to_string(tables.join("mine-slots.csv")).unwrap();
    assert!(slots.starts_with("slot,none,boulder,inverse,offpeak\n2026-01-05T00:00:00Z,"));
    let seconds = fs::read_to_string(tables.join("mine-seconds.csv")).unwrap();
    assert!(seconds.starts_with("rule,second,certificates\nnone,2026-01-05T01:00:00Z,3\n"));
    assert!(fs::read_to_string(picture).unwrap().starts_with("<svg "));
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = format!("{:#}", run(&["nowhere"]).unwrap_err());
    assert!(
        error.contains("nowhere") && error.contains("--list"),
        "{error}"
    );
    let file = folder.path().join("mine.toml");
    fs::write(&file, "seeds = 1\n").unwrap();
    let error = run(&[path_text(&file)]).unwrap_err();
    let invalid = error.downcast_ref::<InvalidConfig>().unwrap().to_string();
    assert!(
        invalid.contains("mine.toml:1: seeds: there is no such key"),
        "{invalid}"
    );
    let error = run(&["base-0.6", "--svg", "/nowhere/load.svg"]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/load.svg"), "{error}");
    let error = run(&["base-0.6", "--csv", path_text(&file)]).unwrap_err();
    assert!(error.to_string().contains("mine.toml"), "{error}");
}
