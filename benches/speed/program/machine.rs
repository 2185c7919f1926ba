//! What the numbers were measured on.

use std::fs;
use std::process::Command;

use offpeak::domain::math::number::real;
use offpeak::engine::clock::{Clock as _, SystemClock};

use super::nginx;
use super::postgres::sql;
use super::process::cores;
use super::service;
use super::setup::Setup;

/// A paragraph: the processor, memory, kernel, versions, the date, and what else went on.
pub(super) fn described(setup: &Setup) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: i64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let gib = real(kib) / f64::from(1 << 20);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    let postgres = sql(&setup.postgres, "SHOW server_version").unwrap_or_default();
    format!(
        "Measured on {} at commit {}, on {} cores of {processor} with {gib:.0} GiB of memory, Linux \
         {}; load average at the start {load}. {}, {}, PostgreSQL {}, SQLite {}, {}, {}. {} \
         certificates served, {} in each import; {} rounds of {} s.",
        SystemClock.now(),
        output_of(Command::new("git").args(["describe", "--always", "--dirty"])),
        cores().len(),
        read("/proc/sys/kernel/osrelease").trim(),
        output_of(Command::new(service::PROGRAM).arg("--version")),
        output_of(Command::new(nginx::path()).arg("-v")).trim_start_matches("nginx version: "),
        postgres.split(' ').next().unwrap_or("?").trim(),
        output_of(Command::new("sqlite3").arg("--version"))
            .split(' ')
            .next()
            .unwrap_or("?"),
        output_of(Command::new("valgrind").arg("--version")),
        output_of(Command::new("rustc").arg("--version")),
        setup.size.certificates,
        setup.size.imported,
        setup.size.rounds,
        setup.size.round_seconds,
    )
}

/// The value in a line `NAME : VALUE`.
fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| {
        let (named, value) = line.split_once(':')?;
        (named.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "?".to_owned())
}

/// The first line of what a command prints, wherever it prints it.
fn output_of(command: &mut Command) -> String {
    let printed = command
        .output()
        .map(|output| [output.stdout, output.stderr].concat());
    let text = String::from_utf8_lossy(&printed.unwrap_or_default()).into_owned();
    text.lines().next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.4 GHz\nmodel\t\t: 85\n";
        assert_eq!(field(text, "model name"), "Some CPU @ 2.4 GHz");
        assert_eq!(field(text, "model"), "85");
        assert_eq!(field(text, "name"), "?");
        assert_eq!(
            output_of(Command::new("sh").args(["-c", "echo a >&2; echo b >&2"])),
            "a"
        );
    }
}
