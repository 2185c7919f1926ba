//! offpeak's own program, as users run it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::http;
use super::process::{Core, Process, on, output_of};

/// The program, built with this one.
pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_offpeak");
/// The token that `Offpeak::start` gives every scope.
pub(super) const TOKEN: &str = "speed";

/// Ten million certificates are loaded in minutes.
const SETTLED_WITHIN: Duration = Duration::from_mins(10);
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// A running service.
#[derive(Debug)]
pub(super) struct Offpeak {
    pub(super) process: Process,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// `offpeak import certificates` into a database; the path is still to be said.
pub(super) fn import(core: Core, database: &str) -> Command {
    import_by(core, PROGRAM, database)
}

/// The same by this program, of another version perhaps.
pub(super) fn import_by(core: Core, program: &str, database: &str) -> Command {
    let mut command = on(core, program);
    command
        .args(["--database", database, "import", "certificates"])
        .env("OFFPEAK_LOG", "warn");
    command
}

/// Gives an empty PostgreSQL database offpeak's schema, and its URL back.
pub(super) fn migrated(database: &str) -> anyhow::Result<String> {
    output_of(Command::new(PROGRAM).args(["--database", database, "migrate"]))?;
    Ok(database.to_owned())
}

impl Offpeak {
    /// Starts the service on the server's core, and waits until nothing about it is degraded: a
    /// large registry is loaded then.
    pub(super) fn start(database: &str, folder: &Path) -> anyhow::Result<Self> {
        let started = Self::start_by(on(Core::Server, PROGRAM), database, folder)?;
        started.settle()?;
        Ok(started)
    }

    /// Starts the service by `command`, which is what runs it: it answers when this returns.
    pub(super) fn start_by(
        mut command: Command,
        database: &str,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        command
            .args(["--database", database])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(["serve", "--migrate"])
            .env("OFFPEAK_ADMIN_TOKEN", TOKEN)
            .env("OFFPEAK_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("offpeak.log"))?);
        let mut process = Process::start("offpeak", &mut command)?;
        let lines = process.lines_until(|line| line.starts_with("admin "))?;
        let address = |name: &str| {
            lines
                .iter()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(" http://"))
                .and_then(|address| address.parse().ok())
                .with_context(|| format!("offpeak printed no {name} address: {lines:?}"))
        };
        Ok(Self {
            public: address("public")?,
            admin: address("admin")?,
            process,
        })
    }

    /// Waits until nothing is degraded.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let page = http::get(self.admin, "/readyz")?;
            let readiness: serde_json::Value = serde_json::from_slice(&page.body)?;
            if readiness["degraded"].as_array().is_some_and(Vec::is_empty) {
                return Ok(());
            }
            if begun.elapsed() > SETTLED_WITHIN {
                bail!("after {SETTLED_WITHIN:?} it is not settled: {readiness}");
            }
            std::thread::sleep(LOOKED_EVERY);
        }
    }

    /// A counter's value now, summed over its labels.
    pub(super) fn counter(&self, name: &str) -> anyhow::Result<f64> {
        let page = http::get(self.admin, "/metrics")?;
        let text = String::from_utf8_lossy(&page.body).into_owned();
        Ok(sum(&text, name))
    }
}

/// The sum of a metric's samples in Prometheus's text format.
fn sum(text: &str, name: &str) -> f64 {
    text.lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_over_its_labels_alone() {
        let text = "# TYPE a_total counter\na_total{q=\"x y\"} 3\na_total{q=\"z\"} 4.5\n\
                    a_total_more 100\nb 7\n";
        assert!((sum(text, "a_total") - 7.5).abs() < 1e-9);
        assert!((sum(text, "b") - 7.0).abs() < 1e-9);
        assert!(sum(text, "c").abs() < 1e-9);
    }
}
