//! How soon a service answers after its start, and what it holds in memory then.

use std::fs;
use std::path::Path;
use std::time::Instant;

use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::process::{Core, on};
use super::rows::Part;
use super::service::{Offpeak, PROGRAM};
use super::serving::renewal_info_page;
use super::setup::Setup;

/// How often the service is started with what the run before left.
const STARTS: usize = 3;

pub(super) fn restart(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = setup.size.certificates;
    let database = setup.registry(rows, "restart")?;
    // A snapshot of the index lies beside the database; an import has no use for one.
    let snapshot = format!("{}.index", database.trim_start_matches("sqlite:"));
    if Path::new(&snapshot).exists() {
        fs::remove_file(snapshot)?;
    }
    let folder = setup.path("restart-log");
    let first = started(&database, &folder)?;
    let octets = first.resident_octets / real(i64::try_from(rows).unwrap_or(i64::MAX));
    let (mut again, mut summed) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let started = started(&database, &folder)?;
        again.push(started.seconds);
        summed.push(started.loaded_seconds);
    }
    figures.put("restart_without_snapshot", &[first.seconds])?;
    figures.put("restart_loaded", &[first.loaded_seconds])?;
    figures.put("restart_with_snapshot", &again)?;
    figures.put("restart_summed", &summed)?;
    figures.put("memory_per_certificate", &[octets])?;
    figures.note(
        Part::Restart,
        format!(
            "{rows} certificates, SQLite; {:.0} MB resident when all was loaded.",
            first.resident_octets / 1e6
        ),
    );
    Ok(())
}

struct Started {
    seconds: f64,
    loaded_seconds: f64,
    resident_octets: f64,
}

/// Starts the service, asks it once, waits until it is loaded, and stops it, which lets it leave
/// what it leaves.
fn started(database: &str, folder: &Path) -> anyhow::Result<Started> {
    let began = Instant::now();
    let server = Offpeak::start_by(on(Core::Server, PROGRAM), database, folder)?;
    renewal_info_page(&server)?;
    let seconds = began.elapsed().as_secs_f64();
    server.settle()?;
    let loaded_seconds = began.elapsed().as_secs_f64();
    let resident_octets = server.process.resident_octets();
    server.process.stop()?;
    Ok(Started {
        seconds,
        loaded_seconds,
        resident_octets,
    })
}
