//! The report that an import prints.

use std::io::Write;

use serde::Serialize;

use super::exit::Exit;
use super::output::printed;
use crate::engine::verdict::Report;

/// The format of the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ReportFormat {
    /// One object at the end.
    AsJson,
    /// A line for each file when it is imported.
    AsText,
}

/// The results of all files.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// The database, without a password.
    database: String,
    accepted: u64,
    unchanged: u64,
    rejected: u64,
    files: Vec<OfFile>,
    #[serde(skip)]
    report_format: ReportFormat,
}

#[derive(Debug, Serialize)]
struct OfFile {
    path: String,
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'static str,
}

impl Summary {
    pub(super) fn new(database_url: &str, report_format: ReportFormat) -> Self {
        Self {
            database: known_by(database_url),
            accepted: 0,
            unchanged: 0,
            rejected: 0,
            files: Vec::new(),
            report_format,
        }
    }

    /// Prints the database, so that an import into the wrong one is noticed at once.
    pub(super) fn begin(&self, out: &mut impl Write) -> anyhow::Result<()> {
        match self.report_format {
            ReportFormat::AsJson => Ok(()),
            ReportFormat::AsText => Ok(printed(writeln!(out, "importing into {}", self.database))?),
        }
    }

    /// Prints a file's line and, below it, its first rejections in the format of compiler errors.
    pub(super) fn add(
        &mut self,
        out: &mut impl Write,
        name: &str,
        report: Report,
        note: &'static str,
    ) -> anyhow::Result<()> {
        self.accepted += report.accepted;
        self.unchanged += report.unchanged;
        self.rejected += report.rejected;
        if self.report_format == ReportFormat::AsText {
            printed(print_file(out, name, &report, note))?;
        }
        self.files.push(OfFile {
            path: name.to_owned(),
            report,
            note,
        });
        Ok(())
    }

    pub(super) fn finish(self, out: &mut impl Write) -> anyhow::Result<Exit> {
        match self.report_format {
            ReportFormat::AsJson => {
                printed(writeln!(out, "{}", serde_json::to_string_pretty(&self)?))?;
            }
            ReportFormat::AsText if self.files.len() == 1 => {}
            ReportFormat::AsText => printed(writeln!(
                out,
                "{} files: {}",
                self.files.len(),
                counts(self.accepted, self.unchanged, self.rejected)
            ))?,
        }
        Ok(if self.rejected > 0 {
            Exit::DoneWithRejections
        } else {
            Exit::Done
        })
    }
}

fn print_file(
    out: &mut impl Write,
    name: &str,
    report: &Report,
    note: &str,
) -> std::io::Result<()> {
    let counts = counts(report.accepted, report.unchanged, report.rejected);
    let comma = if note.is_empty() { "" } else { ", " };
    writeln!(out, "{name}: {counts}{comma}{note}")?;
    for error in &report.errors {
        let (line, field, detail) = (error.line, &error.field, &error.detail);
        writeln!(out, "{name}:{line}: {field}: {detail}")?;
    }
    for warning in &report.warnings {
        let certificates = warning.certificates;
        writeln!(
            out,
            "{name}: warning: {} ({certificates} certificates)",
            warning.detail
        )?;
    }
    Ok(())
}

fn counts(accepted: u64, unchanged: u64, rejected: u64) -> String {
    format!("{accepted} accepted, {unchanged} unchanged, {rejected} rejected")
}

/// A database's URL without user, password and parameters; for a file, its absolute path.
fn known_by(url: &str) -> String {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.split('?').next().unwrap_or_default();
        let whole = std::path::absolute(path).map(|path| path.display().to_string());
        return match whole {
            Ok(whole) if path != ":memory:" => format!("sqlite:{whole}"),
            _ => format!("sqlite:{path}"),
        };
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let behind = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
    let (host, database) = behind.split_once('/').unwrap_or((behind, ""));
    format!("{scheme}://{host}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        for (url, want) in [
            ("sqlite:/var/lib/o.db", "sqlite:/var/lib/o.db"),
            ("sqlite:///var/lib/o.db?mode=rwc", "sqlite:/var/lib/o.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            (
                "postgres://u:p%40@h:5432/d?sslmode=require&password=p",
                "postgres://h:5432/d",
            ),
            ("postgres://u:p@ss@h/d", "postgres://h/d"),
            ("postgres:///d?host=/run&user=u", "postgres:///d"),
            ("postgres://u:p@h", "postgres://h/"),
        ] {
            assert_eq!(known_by(url), want);
        }
        let here = std::env::current_dir().unwrap();
        let want = format!("sqlite:{}/o.db", here.display());
        assert_eq!(known_by("sqlite:o.db"), want);
    }
}
