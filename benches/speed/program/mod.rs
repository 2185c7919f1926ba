//! The program: which parts to measure, and where the figures go.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

mod answer;
mod callgrind;
mod catalogue;
mod compared;
mod compared_sources;
mod compared_writes;
mod drawing;
mod exhausting;
mod feed;
mod figures;
mod flood;
mod gateway;
mod generator;
mod histogram;
mod hostile;
mod http;
mod index;
mod into_postgres;
mod into_sqlite;
mod load;
mod machine;
mod modelling;
mod nginx;
mod options;
mod pem;
mod planning;
mod postgres;
mod posts;
mod process;
mod registry;
mod restart;
mod rows;
mod service;
mod serving;
mod setup;
mod side;
mod soak;
mod sources;
mod units;
mod upload;

use catalogue::rows;
use figures::{Figures, with_tables};
use options::{Options, Task};
use registry::Columns;
use rows::Part;
use setup::Setup;

/// Where the tables are written to.
const DOCUMENT: &str = "docs/performance.md";
/// Where machines read the figures.
const JSON: &str = "target/bench.json";

/// Does what the arguments say.
///
/// # Errors
/// Where a comparison could not be made, an answer was wrong, or a soak found growth. A target that
/// is missed is no error.
pub(crate) fn run(
    arguments: impl Iterator<Item = String>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match Options::parse(arguments)?.task {
        Task::Ask {
            address,
            rows,
            seconds,
        } => soak::ask(address, rows, seconds, out)?,
        Task::Csv { rows, now } => registry::write_csv(out, rows, Columns::IdFirst, now)?,
        Task::AskOverTls(load) => {
            let outcome = gateway::client::run(&load)?;
            writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
        }
        Task::Generate(load) => {
            let outcome = generator::run(&load)?;
            writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
        }
        Task::List => list(out)?,
        Task::Measure { size, parts } => measure(&Setup::new(size)?, &parts, out)?,
        Task::Soak { size, minutes } => soak::soak(&Setup::new(size)?, minutes, out)?,
    }
    Ok(())
}

fn list(out: &mut impl Write) -> anyhow::Result<()> {
    for row in rows() {
        let part = row.part.name();
        writeln!(
            out,
            "{part:13} {:30} {:21} {}",
            row.name, row.unit, row.target
        )?;
    }
    Ok(())
}

fn measure(setup: &Setup, parts: &[Part], out: &mut impl Write) -> anyhow::Result<()> {
    let machine = machine::described(setup);
    writeln!(out, "{machine}")?;
    let mut figures = Figures::default();
    for part in parts {
        measure_part(*part, setup, &mut figures)
            .with_context(|| format!("measuring {}", part.name()))?;
        writeln!(out, "{}", figures.tables(&[*part]))?;
        out.flush()?;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let json = serde_json::to_string_pretty(&figures.json())?;
    fs::write(root.join(JSON), json + "\n")?;
    // The document shows a whole run of full length, or the one before it.
    if !setup.size.is_quick() && parts == Part::ALL {
        let path = root.join(DOCUMENT);
        let document = fs::read_to_string(&path).with_context(|| format!("no {DOCUMENT}"))?;
        let tables = format!("\n{machine}\n{}", figures.tables(parts));
        fs::write(path, with_tables(&document, &tables)?)?;
        writeln!(out, "{DOCUMENT} and {JSON} are written")?;
    } else {
        writeln!(out, "{JSON} is written")?;
    }
    Ok(())
}

fn measure_part(part: Part, setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    match part {
        Part::Allocation => {
            drawing::allocation(setup, figures)?;
            planning::plan_of_many(setup, figures)?;
            modelling::a_year(setup, figures)
        }
        Part::Feed => feed::feed(setup, figures),
        Part::Gateway => gateway::measure(setup, figures),
        Part::Flood => flood::flood(setup, figures),
        Part::Hostile => hostile::hostile(setup, figures),
        Part::Import => {
            into_sqlite::import(setup, figures)?;
            into_postgres::import(setup, figures)?;
            pem::parsing(setup, figures)?;
            sources::reading(setup, figures)
        }
        Part::Index => index::growth(setup, figures),
        Part::Instructions => callgrind::instructions(setup, figures),
        Part::Posts => posts::posts(setup, figures),
        Part::Ranking => serving::ranking(setup, figures),
        Part::Restart => restart::restart(setup, figures),
        Part::Serving => serving::renewal_info(setup, figures),
    }
}
