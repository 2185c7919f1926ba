//! What offpeak draws in a terminal, and what shells and `man` are told of it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::Command;

use offpeak::engine::clock::{Clock as _, SystemClock};

use crate::process::offpeak;
use crate::support::fresh_sqlite;
use crate::tools::run;

const RANKING: &[u8] = include_bytes!("golden/ranking-1.1.json");

fn map(extra: &[&str], environment: &[(&str, &str)]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(RANKING).unwrap();
    let mut command = offpeak();
    command
        .arg("ranking")
        .arg("--ranking")
        .arg(file.path())
        .args(extra);
    command
        .env_remove("COLORTERM")
        .envs(environment.iter().copied());
    run(&mut command)
}

#[test]
fn the_map_is_drawn_in_the_colours_that_there_are() {
    let plain = map(&[], &[("COLORTERM", "truecolor")]);
    assert!(!plain.contains('\x1b'), "a pipe has none: {plain}");
    assert!(plain.contains("Mon  0.9 2.4"), "{plain}");
    assert!(
        plain.contains("Stale: it held until 2026-11-18T00:00:00Z"),
        "{plain}"
    );
    let full = map(&["--color", "always"], &[("COLORTERM", "truecolor")]);
    assert!(full.contains("\x1b[48;2;"), "{full}");
    let cube = map(&["--color", "always"], &[("TERM", "xterm-256color")]);
    assert!(
        cube.contains("\x1b[48;5;") && !cube.contains("48;2;"),
        "{cube}"
    );
    assert_eq!(map(&["--json"], &[]).as_bytes(), RANKING);
}

#[test]
fn the_map_of_a_database_is_that_of_its_newest_publication() {
    let database = fresh_sqlite();
    run(offpeak().args(["publish", "--now", "--database", &database.url()]));
    let report = run(offpeak().args(["ranking", "--database", &database.url()]));
    assert!(
        report.starts_with("Too little has been seen yet"),
        "{report}"
    );
    assert!(report.contains("Quietest: none is known."), "{report}");
}

#[test]
fn a_long_import_shows_how_far_it_is_to_who_looks_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("load.csv");
    let mut lines = "at,kind,count\n".to_owned();
    let now = SystemClock.now().unix() / 60 * 60;
    for minute in 1..20_000 {
        writeln!(lines, "{},attempt,1", now - 60 * minute).unwrap();
    }
    fs::write(&file, &lines).unwrap();
    let import = |database: &str| {
        format!(
            "{} import observations --format csv --database {database} {}",
            env!("CARGO_BIN_EXE_offpeak"),
            file.display()
        )
    };
    // In a terminal of its own.
    let database = fresh_sqlite();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &import(&database.url())]);
    script.arg(folder.path().join("typescript"));
    let shown = run(&mut script);
    assert!(shown.contains("19999 accepted"), "{shown}");
    assert!(
        shown.contains("B/"),
        "a bar with what was read of all: {shown}"
    );
    // Without one it is a line, and nothing else.
    let database = fresh_sqlite();
    let output = Command::new("sh")
        .args(["-c", &import(&database.url())])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn completions_and_manual_pages_are_made_of_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("offpeak.bash");
    fs::write(&script, run(offpeak().args(["completions", "bash"]))).unwrap();
    let completed = run(Command::new("bash").args([
        "-c",
        &format!(
            "source {}; COMP_WORDS=(offpeak best); COMP_CWORD=1; _offpeak offpeak best offpeak; \
             echo \"${{COMPREPLY[@]}}\"",
            script.display()
        ),
    ]));
    assert_eq!(completed.trim(), "best-time");
    let pages = folder.path().join("man1");
    let report = run(offpeak().arg("manual").arg("--out").arg(&pages));
    let count = fs::read_dir(&pages).unwrap().count();
    assert_eq!(report, format!("{count} pages written\n"));
    assert!(count > 25, "{count}");
    let page = fs::read_to_string(pages.join("offpeak-incident-open.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("Example"), "{page}");
}
