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

/// The bound of each scenario.
fn bounds(python: &Path, scenarios: &[&Path]) -> Vec<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(root.join("scripts/bounds.py"));
    for scenario in scenarios {
        command.arg(root.join(scenario));
    }
    let printed = run(&mut command);
    let bound = |line: &str| line.split(' ').nth(1)?.parse::<f64>().ok();
    printed.lines().filter_map(bound).collect()
}

#[test]
fn the_programme_finds_the_bounds_that_can_be_told_by_hand() {
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
    for (name, bound) in names.iter().zip(bounds(&python, &paths)) {
        let row = format!("| `{name}` | {bound:.3} |");
        assert!(manual.contains(&row), "{row}");
    }
}
