//! Single registrations, durable, while a bulk import goes on beside the service.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;
use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::histogram::Histogram;
use super::http;
use super::postgres::database;
use super::process::{Core, Process, output_of};
use super::registry::{self, Columns};
use super::rows::Part;
use super::service::{self, Offpeak, TOKEN};
use super::setup::{Setup, sqlite_url};

/// One every 25 ms: a CA that issues 3.5 million a day.
const BETWEEN: Duration = Duration::from_millis(25);
/// How long a registration may be put off.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows from here on are in no import.
const ROWS_FROM: u64 = 1 << 32;

pub(super) fn posts(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let folder = setup.path("posts");
    std::fs::create_dir(&folder)?;
    let databases = [
        ("post_p99_sqlite", sqlite_url(&folder)),
        (
            "post_p99_postgres",
            database(&setup.postgres, "offpeak_posts")?,
        ),
    ];
    let csv = setup.csv("posts.csv", setup.size.imported, Columns::IdFirst)?;
    let mut reports = Vec::new();
    // What was written before would be brought to disk beside it.
    output_of(&mut Command::new("sync"))?;
    for (name, database) in databases {
        let server = Offpeak::start(&database, &setup.path(name))?;
        let mut import = service::import(Core::Generator, &database);
        let mut import = Process::start("the import", silenced(import.arg(&csv)))?;
        let latencies = posted(server.admin, setup.began, &mut import)?;
        server.process.stop()?;
        let millis = |nanos: u64| real(i64::try_from(nanos).unwrap_or(i64::MAX)) / 1e6;
        figures.put(name, &[millis(latencies.quantile_nanos(990))])?;
        reports.push(format!(
            "{name}: {} single registrations, p50 {:.1} ms, most {:.0} ms",
            latencies.total(),
            millis(latencies.quantile_nanos(500)),
            millis(latencies.most_nanos())
        ));
    }
    let imported = setup.size.imported;
    figures.note(
        Part::Posts,
        format!(
            "40 a second, each on a connection of its own, while `offpeak import` takes {imported} \
             certificates into the same database. {}.",
            reports.join("; ")
        ),
    );
    Ok(())
}

fn silenced(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

/// Posts until the import is at its end; from when each was due.
fn posted(admin: SocketAddr, now: u64, import: &mut Process) -> anyhow::Result<Histogram> {
    let mut latencies = Histogram::new();
    let began = Instant::now();
    for number in 0_u32.. {
        if !import.is_running()? {
            break;
        }
        let due = began + BETWEEN * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        post(admin, ROWS_FROM + u64::from(number), now)?;
        latencies.record(u64::try_from(due.elapsed().as_nanos())?);
    }
    Ok(latencies)
}

/// Registers one certificate.
pub(super) fn post(admin: SocketAddr, row: u64, now: u64) -> anyhow::Result<()> {
    let columns = Columns::IdFirst;
    let body = format!(
        "{}\n{}",
        registry::header(columns),
        registry::line(row, columns, now)
    );
    let request = format!(
        "POST /v1/certificates HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Type: text/csv\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let deadline = Instant::now() + PATIENCE;
    let mut page = http::exchange(admin, request.as_bytes())?;
    // "Busy; retry later": the time goes on until it is taken.
    while page.status == 503 && Instant::now() < deadline {
        page = http::exchange(admin, request.as_bytes())?;
    }
    let text = String::from_utf8_lossy(&page.body);
    if page.status != 200 || !text.contains("\"accepted\":1") {
        bail!("a single registration got {}: {text}", page.status);
    }
    Ok(())
}
