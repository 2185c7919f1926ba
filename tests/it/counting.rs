//! The closing line of `./test`: a test that left itself out is counted as skipped, not as passed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::architecture::files;
use crate::tools::run;

/// One that does nothing without real data.
const OF_REAL_DATA: &str = "profile_real::a_load_balancers_hours_are_found";

/// What `scripts/count.awk` makes of what cargo printed.
fn counted(printed: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("tests.log");
    fs::write(&log, printed).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/count.awk");
    run(Command::new("awk").arg("-f").arg(script).arg(log))
}

/// Runs the test as `./test` does, with real data in this folder or without.
fn run_test(real_data: Option<&Path>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", OF_REAL_DATA, "--show-output"])
        .env_remove("OFFPEAK_REAL_DATA")
        .stdin(Stdio::null());
    if let Some(folder) = real_data {
        command.env("OFFPEAK_REAL_DATA", folder);
    }
    command.output().unwrap()
}

#[test]
fn a_test_that_says_it_left_itself_out_is_counted_once_and_as_skipped() {
    let printed = "\
running 4 tests
test a ... ok
test b ... ok
test c ... FAILED
test d ... ok

successes:

---- a stdout ----
skipped: OFFPEAK_REAL_DATA is not set
skipped: OFFPEAK_TEST_PYTHON is not set

---- b stdout ----
nothing is skipped: all was there

---- d stdout ----
skipped: this machine has none

successes:
    a
    b
    d

failures:

---- c stdout ----
skipped: but it failed all the same

failures:
    c

test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 1 test
test e ... ok

successes:

---- e stdout ----
real data: load/elb-requests-5min.csv

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
    assert_eq!(counted(printed), "2 passed, 1 failed, 2 skipped\n");
    assert_eq!(counted("error: could not compile\n"), "");
}

#[test]
fn without_real_data_its_tests_are_skipped_and_with_a_wrong_folder_they_fail() {
    let without = run_test(None);
    let printed = String::from_utf8(without.stdout).unwrap();
    assert!(without.status.success(), "{printed}");
    assert_eq!(counted(&printed), "0 passed, 0 failed, 1 skipped\n");

    let empty = tempfile::tempdir().unwrap();
    let failed = run_test(Some(empty.path()));
    let printed = String::from_utf8(failed.stdout).unwrap();
    assert!(!failed.status.success(), "{printed}");
    assert_eq!(counted(&printed), "0 passed, 1 failed, 0 skipped\n");
}

#[test]
fn no_source_says_where_real_data_is() {
    let folder = concat!("shared", "/data");
    for source in ["src", "tests", "benches"] {
        for (file, text) in files(source) {
            assert!(!text.contains(folder), "{file} names {folder}");
        }
    }
}
