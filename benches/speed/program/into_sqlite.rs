//! CSV into SQLite, beside SQLite's own loader with the same rows and the same indexes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::bail;
use offpeak::domain::math::number::real;

use super::figures::Figures;
use super::process::{Core, Process, output_of, seconds_of};
use super::registry::Columns;
use super::service;
use super::setup::{Setup, sqlite_url};

pub(super) fn import(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = setup.size.imported;
    let csv = setup.csv("sqlite.csv", rows, Columns::IdFirst)?;
    let count = real(i64::try_from(rows)?);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut memory = Vec::new();
    for round in 0..setup.size.import_rounds {
        let folder = setup.path(&format!("sqlite-{round}"));
        std::fs::create_dir(&folder)?;
        let mut import = service::import(Core::Any, &sqlite_url(&folder));
        let began = Instant::now();
        let mut import = Process::start("the import", import.arg(&csv).stdout(Stdio::null()))?;
        memory.push(import.most_resident_octets()? / 1e6);
        ours.push(count / began.elapsed().as_secs_f64());
        theirs.push(count / loaded_in(&folder, rows)?);
        std::fs::remove_dir_all(folder)?;
    }
    figures.put("sqlite_import", &ours)?;
    figures.put("sqlite_import_memory", &memory)?;
    figures.put("sqlite_loader", &theirs)?;
    figures.put_ratios("sqlite_import_to_loader", &ours, &theirs)
}

/// Seconds in which `sqlite3 .import` takes the certificates that offpeak has put into the
/// database of this folder.
fn loaded_in(folder: &Path, rows: u64) -> anyhow::Result<f64> {
    let from = folder.join("offpeak.db");
    let plain = folder.join("plain.db");
    let csv = folder.join("plain.csv");
    let columns = columns(&from)?;
    let once = format!(".once '{}'", csv.display());
    let select = format!(
        "SELECT {} FROM certificates ORDER BY rowid",
        selected(&columns)
    );
    output_of(
        Command::new("sqlite3")
            .arg("-csv")
            .arg(&from)
            .args([once, select]),
    )?;
    let schema = format!(
        "PRAGMA journal_mode = WAL; CREATE TABLE certificates ({}); {}",
        declared(&columns),
        indexes(&from)?
    );
    output_of(Command::new("sqlite3").arg(&plain).arg(schema))?;
    let import = format!(".import --csv '{}' certificates", csv.display());
    let seconds = seconds_of(
        Command::new("sqlite3")
            .arg(&plain)
            .args(["PRAGMA synchronous = FULL", &import]),
    )?;
    let loaded = asked(&plain, "SELECT count(*) FROM certificates")?;
    if loaded.trim().parse() != Ok(rows) {
        bail!("sqlite3 loaded {} of {rows} rows", loaded.trim());
    }
    Ok(seconds)
}

/// A column as `PRAGMA table_info` tells it.
struct Column {
    name: String,
    kind: String,
    not_null: bool,
    /// Its place in the primary key, from 1; 0 where it is not in it.
    key_position: u32,
}

fn columns(database: &Path) -> anyhow::Result<Vec<Column>> {
    let listing = asked(
        database,
        "SELECT name, type, \"notnull\", pk FROM pragma_table_info('certificates')",
    )?;
    let columns = listing.lines().filter_map(|line| {
        let mut fields = line.split('|').map(str::to_owned);
        Some(Column {
            name: fields.next()?,
            kind: fields.next()?,
            not_null: fields.next()? == "1",
            key_position: fields.next()?.parse().ok()?,
        })
    });
    let columns: Vec<_> = columns.collect();
    if columns.is_empty() {
        bail!("{} has no certificates", database.display());
    }
    Ok(columns)
}

/// What a CSV can hold: of octets as many hexadecimal digits, so that rows and keys are as long.
fn selected(columns: &[Column]) -> String {
    let each = columns.iter().map(|Column { name, kind, .. }| {
        if kind == "BLOB" {
            format!("substr(hex({name}), 1, length({name}))")
        } else {
            name.clone()
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The columns as they are; without the checks, which a CSV's empty texts would not pass and which
/// cost the loader time.
fn declared(columns: &[Column]) -> String {
    let mut text = String::new();
    for column in columns {
        let kind = if column.kind == "BLOB" {
            "TEXT"
        } else {
            &column.kind
        };
        let not_null = if column.not_null { " NOT NULL" } else { "" };
        let _ = write!(text, "{} {kind}{not_null}, ", column.name);
    }
    let mut key: Vec<_> = columns.iter().filter(|one| one.key_position > 0).collect();
    key.sort_by_key(|column| column.key_position);
    let key: Vec<_> = key.iter().map(|column| column.name.as_str()).collect();
    let _ = write!(text, "PRIMARY KEY ({})", key.join(", "));
    text
}

fn indexes(database: &Path) -> anyhow::Result<String> {
    asked(
        database,
        "SELECT sql || ';' FROM sqlite_master
         WHERE type = 'index' AND tbl_name = 'certificates' AND sql IS NOT NULL",
    )
}

fn asked(database: &Path, query: &str) -> anyhow::Result<String> {
    output_of(Command::new("sqlite3").arg(database).arg(query))
}
