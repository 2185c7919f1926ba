//! CSV into PostgreSQL, beside `COPY` of the same rows into the same table.

use std::fs;

use anyhow::bail;
use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::postgres::{database, sql, statement_by_psql};
use super::process::{Core, seconds_of};
use super::registry::Columns;
use super::rows::Part;
use super::service;
use super::setup::Setup;

pub(super) fn import(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = setup.size.imported;
    let first = setup.csv("postgres.csv", rows, Columns::IdFirst)?;
    // A file is known by its content: the same certificates have to come in another.
    let again = setup.csv("postgres-again.csv", rows, Columns::DatesFirst)?;
    let count = real(i64::try_from(rows)?);
    let server = &setup.postgres;
    let [mut imported, mut repeated, mut copied] = [const { Vec::new() }; 3];
    for _ in 0..setup.size.import_rounds {
        let ours = service::migrated(&database(server, "offpeak_import")?)?;
        for (file, rates) in [(&first, &mut imported), (&again, &mut repeated)] {
            sql(server, "CHECKPOINT")?;
            let mut import = service::import(Core::Any, &ours);
            rates.push(count / seconds_of(import.arg(file))?);
        }
        copied.push(count / copied_in(setup, &ours, rows)?);
    }
    figures.put("postgres_import", &imported)?;
    figures.put("postgres_repeated", &repeated)?;
    figures.put("postgres_copy", &copied)?;
    figures.put_ratios("postgres_import_to_copy", &imported, &copied)?;
    figures.put_ratios("postgres_repeated_to_copy", &repeated, &copied)?;
    figures.note(
        Part::Import,
        format!("{rows} certificates at a time; the importers are not tied to a core."),
    );
    Ok(())
}

/// Seconds in which `COPY` takes the certificates of `from` into an empty database, from a file
/// that the server itself reads.
fn copied_in(setup: &Setup, from: &str, rows: u64) -> anyhow::Result<f64> {
    let server = &setup.postgres;
    let folder = sql(server, "SHOW data_directory")?;
    let file = format!("{}/offpeak-speed-rows", folder.trim());
    sql(from, &format!("COPY certificates TO '{file}'"))?;
    let to = service::migrated(&database(server, "offpeak_copy")?)?;
    sql(server, "CHECKPOINT")?;
    let copy = format!("COPY certificates FROM '{file}'");
    let seconds = seconds_of(&mut statement_by_psql(&to, &copy))?;
    let copied = sql(&to, "SELECT count(*) FROM certificates")?;
    if copied.trim().parse() != Ok(rows) {
        bail!("COPY took {} of {rows} rows", copied.trim());
    }
    fs::remove_file(file)?;
    Ok(seconds)
}
