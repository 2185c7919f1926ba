//! The linear programme that says how low a peak can be.

use std::path::Path;
use std::process::Command;

use crate::tools::{run, tool};

/// Three in ten wake at midnight alone; the others can be sent anywhere.
const MIDNIGHT: &str = r#"
certificates_per_hour = 1000

[[client]]
name = "exact"
kind = "exact"
share = 0.7

[[client]]
name = "midnight"
kind = "cron-redraw"
share = 0.3
[client.ticks]
every = "24h"
at = [{ time = "00:00", share = 1 }]
"#;

/// Half wake at midnight and noon; a quarter come at one by themselves.
const NOON: &str = r#"
certificates_per_hour = 1000

[[client]]
name = "twice"
kind = "cron-redraw"
share = 0.5
[client.ticks]
every = "12h"
at = [{ time = "00:00", share = 1 }]

[[client]]
name = "midnight without ARI"
kind = "no-ari"
share = 0.25
[client.ticks]
every = "24h"
at = [{ time = "00:30", share = 1 }]

[[client]]
name = "exact"
kind = "exact"
share = 0.25
"#;

/// What a script in `scripts/` prints of each scenario, in columns.
fn printed(python: &Path, script: &[&str], scenarios: &[&Path]) -> Vec<Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.current_dir(root.join("scripts")).args(script);
    for scenario in scenarios {
        command.arg(root.join(scenario));
    }
    let columns = |line: &str| line.split(' ').map(str::to_owned).collect();
    run(&mut command).lines().map(columns).collect()
}

/// The bound of each scenario.
fn bounds(python: &Path, scenarios: &[&Path]) -> Vec<f64> {
    let lines = printed(python, &["bounds.py"], scenarios);
    let bound = |line: &Vec<String>| line.get(1)?.parse::<f64>().ok();
    lines.iter().filter_map(bound).collect()
}

#[test]
fn the_programme_finds_the_bounds_that_can_be_found_by_hand() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (midnight, noon) = (folder.path().join("m.toml"), folder.path().join("n.toml"));
    std::fs::write(&midnight, MIDNIGHT).unwrap();
    std::fs::write(&noon, NOON).unwrap();
    let got = bounds(&python, &[&midnight, &noon]);
    // 0.3 · 24 in an hour; 6 and 12 to be shared by two hours, as (6 + 12) / 2.
    for (got, want) in got.iter().zip([7.2, 9.0]) {
        assert!((got - want).abs() < 1e-3, "{got}, not {want}");
    }
    assert_eq!(got.len(), 2);
}

#[test]
fn the_bounds_of_the_manual_are_those_of_the_programme() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let names = ["ticks", "realistic", "base-0.3"];
    let paths = names.map(|name| format!("scenarios/{name}.toml"));
    let paths: Vec<&Path> = paths.iter().map(Path::new).collect();
    let manual = include_str!("../../../docs/simulation.md");
    let lines = printed(&python, &["bounds.py"], &paths);
    assert_eq!(lines.len(), names.len());
    for (name, line) in names.iter().zip(lines) {
        let row = format!("| `{name}` | {} | {} |", line[1], line[3]);
        assert!(manual.contains(&row), "{row}");
    }
}

#[test]
fn the_worst_second_is_what_wakes_together_and_cannot_be_parted() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (midnight, noon) = (folder.path().join("m.toml"), folder.path().join("n.toml"));
    std::fs::write(&midnight, MIDNIGHT).unwrap();
    std::fs::write(&noon, NOON).unwrap();
    let lines = printed(&python, &["bounds.py"], &[&midnight, &noon]);
    // All of a day's in one second, of 86,400: 0.3 of them; of those at midnight and noon one half.
    assert_eq!([&lines[0][3], &lines[1][3]], ["25920", "21600"]);
}

#[test]
fn the_bounds_of_whole_runs_in_the_manual_are_those_of_the_programme() {
    let Some(python) = tool("OFFPEAK_TEST_PYTHON") else {
        return;
    };
    let manual = include_str!("../../../docs/simulation.md");
    for (script, name) in [
        (&["runs.py", "--days", "75"][..], "short-lived"),
        (&["runs.py", "--days", "130"][..], "newcomers"),
        (&["runs.py", "--days", "130"][..], "closed"),
    ] {
        let path = format!("scenarios/{name}.toml");
        let lines = printed(&python, script, &[Path::new(&path)]);
        let row = format!("| `{name}` | {} |", lines[0][1]);
        assert!(manual.contains(&row), "{row}");
    }
    // What a lower peak costs where lives are short: as often as the manual says.
    let path = Path::new("scenarios/short-lived.toml");
    for extra in ["0.0128", "0.013", "0.0135", "0.02"] {
        let script = ["runs.py", "--days", "75", "--extra", extra];
        let lines = printed(&python, &script, &[path]);
        let row = format!("| {} % | {} |", percent(extra), lines[0][1]);
        assert!(manual.contains(&row), "{row}");
    }
}

/// A share as the manual writes it.
fn percent(share: &str) -> String {
    format!("{:.2}", share.parse::<f64>().unwrap() * 100.0)
}
