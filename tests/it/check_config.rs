//! `offpeak check-config`, and how the command line speaks of what it cannot do.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the binary as a user would, without what the surroundings have set.
fn offpeak(arguments: &[&str], environment: &[(&str, &str)]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offpeak"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OFFPEAK_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(arguments)
        .envs(environment.iter().copied())
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_invalid_file_is_refused_by_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(
        &file,
        "lisen = \"h:1\"\n\n[[ca]]\nname = \"x\"\nslot_minutes = 7\n",
    )
    .unwrap();
    let name = path(&file);
    let want = format!(
        "offpeak: {name} has 2 errors\n\
         {name}:1: lisen: there is no such key; did you mean \"listen\"?\n\
         {name}:5: ca[0].slot_minutes: 7 is none of 60, 30, 15 and 5\n"
    );
    for (arguments, environment) in [
        (vec!["check-config", name], vec![]),
        (vec!["--config", name, "check-config"], vec![]),
        (vec!["check-config"], vec![("OFFPEAK_CONFIG", name)]),
    ] {
        let ended = offpeak(&arguments, &environment);
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        assert_eq!(ended.err, want);
        assert_eq!(ended.out, "");
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, "\nretention = 400d\n").unwrap();
    let ended = offpeak(&["check-config", path(&file)], &[]);
    assert_eq!(ended.code, Some(1));
    let start = format!(
        "offpeak: {name} has 1 error\n{name}:2: retention: this is no TOML: ",
        name = path(&file)
    );
    assert!(ended.err.starts_with(&start), "{}", ended.err);
}

#[test]
fn a_valid_file_is_ok_and_nothing_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    let database = folder.path().join("never.db");
    let hash = "ab".repeat(32);
    let token = format!("[[token]]\nname = \"t\"\nsha256 = \"{hash}\"\nscopes = [\"admin\"]\n");
    std::fs::write(
        &file,
        format!("database = \"sqlite:{}\"\n{token}", path(&database)),
    )
    .unwrap();
    let ended = offpeak(&["check-config", path(&file)], &[]);
    assert_eq!(
        (ended.code, &*ended.out, &*ended.err),
        (Some(0), "ok\n", "")
    );
    assert!(!database.exists());
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let ended = offpeak(
        &["check-config", path(&folder.path().join("none.toml"))],
        &[],
    );
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .err
            .starts_with("offpeak: cannot read the configuration "),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}

#[test]
fn what_is_asked_wrongly_is_a_usage_error() {
    for (arguments, environment) in [
        (vec!["check-config"], vec![]),
        (vec![], vec![]),
        (vec!["no-such-command"], vec![]),
        (vec!["check-config", "--listen", "8080", "x"], vec![]),
        (vec!["token", "new", "--scope", "root"], vec![]),
        (vec!["token", "new"], vec![("OFFPEAK_ADMIN_LISTEN", "8081")]),
        (
            vec!["token", "new"],
            vec![("OFFPEAK_BASE_URL", "https://x/")],
        ),
        (vec!["token", "new"], vec![("OFFPEAK_LOG", "offpeak=loud")]),
        (vec!["token", "new"], vec![("OFFPEAK_LOG_FORMAT", "xml")]),
    ] {
        let ended = offpeak(&arguments, &environment);
        assert_eq!(
            ended.code,
            Some(2),
            "{arguments:?} {environment:?} {}",
            ended.err
        );
        assert_eq!(ended.out, "");
        assert_ne!(ended.err, "");
    }
}

#[test]
fn a_flag_goes_over_the_environment_wherever_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let [good, bad] = ["good.toml", "bad.toml"].map(|name| folder.path().join(name));
    let token = offpeak(&["token", "new"], &[]).out;
    std::fs::write(&good, token.split_once("\n\n").unwrap().1).unwrap();
    std::fs::write(&bad, "x = 1").unwrap();
    for arguments in [
        ["--config", path(&good), "check-config"],
        ["check-config", "--config", path(&good)],
    ] {
        let ended = offpeak(&arguments, &[("OFFPEAK_CONFIG", path(&bad))]);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn help_and_the_version_are_printed_and_hold_no_password() {
    let ended = offpeak(&["--version"], &[]);
    let version = format!("offpeak {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((ended.code, ended.out), (Some(0), version));
    for arguments in [&["--help"][..], &["check-config", "--help"]] {
        let ended = offpeak(
            arguments,
            &[("OFFPEAK_DATABASE", "postgres://u:s3cret@h/d")],
        );
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains("OFFPEAK_DATABASE"), "{}", ended.out);
        assert!(!ended.out.contains("s3cret"), "{}", ended.out);
    }
}

#[test]
fn a_new_token_comes_with_a_block_that_a_file_takes() {
    let new = offpeak(&["token", "new", "--name", "ci", "--scope", "admin"], &[]);
    assert_eq!((new.code, &*new.err), (Some(0), ""));
    let (token, block) = new.out.split_once("\n\n").unwrap();
    assert!(token.starts_with("offpeak_"), "{token}");
    assert!(!block.contains(token));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, block).unwrap();
    assert_eq!(offpeak(&["check-config", path(&file)], &[]).out, "ok\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_offpeak"))
        .args(["token", "new"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn a_file_without_a_token_is_ok_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, "").unwrap();
    let ended = offpeak(&["check-config", path(&file)], &[]);
    assert_eq!((ended.code, &*ended.out), (Some(0), "ok\n"));
    let start = format!("offpeak: warning: {}: token: there is none", path(&file));
    assert!(ended.err.starts_with(&start), "{}", ended.err);
    assert!(ended.err.contains("offpeak token new"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
}

#[test]
fn an_export_that_says_not_whose_counts_it_has_is_warned_of() {
    let source =
        "[[source]]\nname = \"billing\"\nca = \"default\"\nkind = \"csv\"\npath = \"/x.csv\"\n";
    let columns = "[source.columns]\nat = \"hour\"\n";
    for (whose, warned) in [("", true), ("source = \"ca\"\n", false)] {
        let warning = "source \"billing\": its counts are `import`, which moves no volume";
        assert_warned(&format!("{source}{whose}{columns}"), warning, warned);
    }
}

#[test]
fn who_shows_nobody_s_address_to_others_is_warned() {
    let printed = offpeak(&["demo", "--print-ct-config"], &[]).out;
    for (text, warned) in [
        (printed.clone(), true),
        (printed.replace("CHANGE-ME", "ops"), false),
    ] {
        let warning = "source \"letsencrypt-ct\": its `contact` is nobody's";
        assert_warned(&text, warning, warned);
    }
}

/// The configuration is good, and the warning is printed or is not.
fn assert_warned(text: &str, warning: &str, warned: bool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, text).unwrap();
    let ended = offpeak(&["check-config", path(&file)], &[]);
    assert_eq!(
        (ended.code, &*ended.out),
        (Some(0), "ok\n"),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.contains(warning), warned, "{}", ended.err);
}

#[test]
fn problems_are_printed_as_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offpeak.toml");
    std::fs::write(&file, "\nworkers = 4\n").unwrap();
    let ended = offpeak(&["check-config", "--json", path(&file)], &[]);
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let error = json!({
        "line": 2, "column": 1, "key": "workers", "reason": "there is no such key",
    });
    assert_eq!(
        report,
        json!({ "ok": false, "errors": [error], "warnings": [] })
    );
    std::fs::write(&file, "").unwrap();
    let ended = offpeak(&["check-config", "--json", path(&file)], &[]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&report["ok"], &report["errors"]),
        (&json!(true), &json!([]))
    );
    let warning = report["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("token: there is none"), "{warning}");
}

#[test]
fn standard_input_is_a_file_too() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offpeak"))
        .args(["check-config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = command.stdin.take().unwrap();
    input.write_all(b"lisen = 1\n").unwrap();
    drop(input);
    let ended = command.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains("\n-:1: lisen: there is no such key"),
        "{said}"
    );
}
