//! The programs that tests run beside offpeak, and real data; `./test` says where they are.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program that this variable names.
pub(crate) fn tool(variable: &str) -> Option<PathBuf> {
    provided(variable).map(PathBuf::from)
}

/// What `./test` says in this variable. Where it is not set the test leaves itself out, aloud;
/// under `./test`, which sets them all, that is a failure.
pub(crate) fn provided(variable: &str) -> Option<String> {
    if let Ok(value) = std::env::var(variable) {
        return Some(value);
    }
    assert!(
        std::env::var_os("OFFPEAK_TEST_REQUIRE").is_none(),
        "{variable} is not set"
    );
    println!("skipped: {variable} is not set");
    None
}

/// A file or folder of the real data in the folder that `OFFPEAK_REAL_DATA` names. Where it is not
/// set the test leaves itself out, aloud, and counts as skipped; where it is set, what the test asks
/// for has to be there.
pub(crate) fn real_data(path: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("OFFPEAK_REAL_DATA") else {
        println!("skipped: OFFPEAK_REAL_DATA is not set");
        return None;
    };
    let found = Path::new(&folder).join(path);
    assert!(found.exists(), "OFFPEAK_REAL_DATA has no {path}");
    println!("real data: {path}");
    Some(found)
}

/// Runs a command to its end; what it printed, where it succeeded.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        output_text(&output)
    );
    String::from_utf8(output.stdout).expect("it prints text")
}

/// Ports of 127.0.0.1 for a program that takes no port 0. They are free now, and lie below those that
/// the system gives out, so that no connection of another test takes one before the program does.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    const BELOW_EPHEMERAL: std::ops::Range<u16> = 15_000..32_768;
    let mut held = Vec::new();
    while held.len() < N {
        let port = rand::random_range(BELOW_EPHEMERAL);
        held.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    std::array::from_fn(|at| held[at].local_addr().unwrap().port())
}

/// How a command ended, for a test's message.
pub(crate) fn output_text(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
