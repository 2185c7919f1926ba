//! Processes that a comparison starts: each on a core of its own, and ended with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use offpeak::domain::math::number::real;
use rustix::process::{Resource, getrlimit};

/// How long a server may take to its end before it is killed.
const END_WITHIN: Duration = Duration::from_secs(20);
/// A program starts 50 times slower under callgrind.
pub(super) const READY_WITHIN: Duration = Duration::from_mins(1);
/// Between two looks at a process that runs: an import takes hundreds of them.
const LOOK: Duration = Duration::from_millis(10);
/// `USER_HZ`: what /proc counts in, on every Linux (proc(5)).
const TICKS_A_SECOND: f64 = 100.0;

/// Where a process runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Core {
    /// Wherever it likes.
    Any,
    /// The last core that we may use: the generator's.
    Generator,
    /// The first one: the server's.
    Server,
}

/// A process of ours, with all it starts; ended when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    name: String,
}

/// A program to be run on a core.
pub(super) fn on(core: Core, program: &str) -> Command {
    let number = match (core, cores().as_slice()) {
        (Core::Server, [first, _, ..]) => *first,
        (Core::Generator, [_, .., last]) => *last,
        // With one core there is nothing to choose.
        _ => return Command::new(program),
    };
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &number.to_string(), program]);
    command
}

/// The cores that we may use.
pub(super) fn cores() -> Vec<u32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap_or("0");
    listed(list)
}

/// `0-2,5` is 0, 1, 2, 5.
fn listed(list: &str) -> Vec<u32> {
    list.trim()
        .split(',')
        .filter_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some(from.parse::<u32>().ok()?..=to.parse().ok()?)
        })
        .flatten()
        .collect()
}

/// Files and sockets that a process may have open at most, where it raises its limit as far as it may
/// (`getrlimit(2)`): those that it starts have the same.
pub(super) fn most_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    limit.maximum.unwrap_or(u64::MAX)
}

/// Runs a command to its end: what it printed.
pub(super) fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{shown} ended with {}: {}", output.status, error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How long a command took that has to succeed.
pub(super) fn seconds_of(command: &mut Command) -> anyhow::Result<f64> {
    let started = Instant::now();
    output_of(command)?;
    Ok(started.elapsed().as_secs_f64())
}

impl Process {
    pub(super) fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
        })
    }

    /// The next lines of its standard output, which has to be piped, up to and with the first for
    /// which `is_last` holds. What it prints after that stays in the pipe: to close that would end it.
    pub(super) fn lines_until(
        &mut self,
        is_last: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Vec<String>> {
        let Some(stdout) = self.child.stdout.take() else {
            bail!("{} prints nowhere", self.name);
        };
        let mut stdout = BufReader::new(stdout);
        let mut lines = Vec::new();
        for line in stdout.by_ref().lines() {
            let line = line?;
            let last = is_last(&line);
            lines.push(line);
            if last {
                self.child.stdout = Some(stdout.into_inner());
                return Ok(lines);
            }
        }
        bail!("{} ended before it was ready", self.name)
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs still; an error where it ended badly.
    pub(super) fn is_running(&mut self) -> anyhow::Result<bool> {
        match self.child.try_wait()? {
            None => Ok(true),
            Some(status) if status.success() => Ok(false),
            Some(status) => bail!("{} ended with {status}", self.name),
        }
    }

    /// Processor time that it and its children have used so far.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let used = family(self.child.id()).into_iter().filter_map(cpu_seconds);
        used.sum()
    }

    /// Resident memory of it and its children, in octets.
    pub(super) fn resident_octets(&self) -> f64 {
        let resident = |id| kib_of(id, "VmRSS:").unwrap_or(0) * 1_024;
        family(self.child.id())
            .into_iter()
            .map(|id| real(resident(id)))
            .sum()
    }

    /// The most memory of it that was resident until now, in octets; of it alone.
    pub(super) fn peak_octets(&self) -> anyhow::Result<f64> {
        let peak = kib_of(self.child.id(), "VmHWM:");
        let peak = peak.with_context(|| format!("{} has ended", self.name))?;
        Ok(real(peak * 1_024))
    }

    /// Waits for its end, which has to be a good one: the most memory that was resident until then,
    /// in octets.
    pub(super) fn most_resident_octets(&mut self) -> anyhow::Result<f64> {
        let mut most = 0;
        while self.is_running()? {
            most = most.max(kib_of(self.child.id(), "VmHWM:").unwrap_or(0));
            std::thread::sleep(LOOK);
        }
        Ok(real(most * 1_024))
    }

    /// Asks it to end, as a service manager does, and waits for that.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.terminate()
    }

    fn terminate(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // No signal but SIGKILL can be sent without `unsafe` or another crate.
        let id = self.child.id().to_string();
        output_of(Command::new("kill").args(["-TERM", &id]))?;
        let deadline = Instant::now() + END_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!(
                    "{} did not end within {} s",
                    self.name,
                    END_WITHIN.as_secs()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`.
        let _ = self.terminate();
    }
}

/// A process and its children: nginx is a master and a worker.
fn family(id: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let children = children.unwrap_or_default();
    let mut family: Vec<u32> = children
        .split_whitespace()
        .filter_map(|id| id.parse().ok())
        .flat_map(family)
        .collect();
    family.push(id);
    family
}

/// Processor time of the calling thread: what a rate for each core is by, on a machine that does
/// other things as well.
pub(super) fn thread_seconds() -> anyhow::Result<f64> {
    let statistics = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = statistics
        .split(' ')
        .next()
        .and_then(|nanos| nanos.parse().ok());
    Ok(real(nanos.context("no time in /proc/thread-self/schedstat")?) / 1e9)
}

/// Processor time of one process, its ended threads included.
pub(super) fn cpu_seconds(id: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields after it are numbers, of which the
    // 12th and 13th are the ticks in user and system mode.
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<i64>().ok();
    Some(real(ticks()? + ticks()?) / TICKS_A_SECOND)
}

/// A line of /proc/ID/status that ends in `kB`.
fn kib_of(id: u32, name: &str) -> Option<i64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_is_read_as_the_kernel_writes_it() {
        assert_eq!(listed("\t0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(listed("3"), [3]);
        assert!(!cores().is_empty());
    }

    #[test]
    fn what_a_process_uses_is_read_and_it_ends_when_it_is_asked_to() {
        let mut command = on(Core::Generator, "sh");
        command.args(["-c", "while :; do :; done"]);
        let mut process = Process::start("a loop", &mut command).unwrap();
        while process.cpu_seconds() < 0.05 {
            std::thread::yield_now();
        }
        assert!(process.resident_octets() > 100_000.0);
        assert!(process.is_running().unwrap());
        process.stop().unwrap();
    }

    #[test]
    fn a_thread_s_time_goes_on_while_it_works() {
        let before = thread_seconds().unwrap();
        while thread_seconds().unwrap() < before + 0.01 {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn a_process_may_print_more_than_is_read_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        let script = "echo ready; until [ -e \"$0\" ]; do sleep 0.01; done; echo more";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(&go).stdout(Stdio::piped());
        let mut process = Process::start("a printer", &mut command).unwrap();
        let lines = process.lines_until(|line| line == "ready").unwrap();
        assert_eq!(lines, ["ready"]);
        fs::write(go, "").unwrap();
        // A broken pipe would be a bad end.
        while process.is_running().unwrap() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_process_that_fails_is_an_error() {
        let mut process =
            Process::start("a failure", Command::new("sh").args(["-c", "exit 3"])).unwrap();
        let error = process.most_resident_octets().unwrap_err();
        assert!(error.to_string().contains('3'), "{error}");
        let error = output_of(Command::new("sh").args(["-c", "echo no >&2; exit 1"])).unwrap_err();
        assert!(error.to_string().contains("no"), "{error}");
    }
}
