//! `offpeak import certificates|observations PATH…`.

use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::pin::pin;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::printed;
use super::paths::files_of;
use super::record_report::RecordReport;
use super::{Exit, Output};
use crate::domain::report::{Report, Verdict};
use crate::engine::Engine;
use crate::ingest::{self, KnownFile, ObservationFormat, Observed, Position, Watch};
use crate::store::BatchKey;

/// Takes in certificates or observations from files.
#[derive(clap::Args, Debug)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Registers the certificates of PEM, DER, CSV and NDJSON files, and of the PEM and DER files
    /// in directories. Run again after it was stopped, it goes on where it ended.
    Certificates {
        /// Files and directories.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Writes what became of each record to this file, as NDJSON. A new import writes it anew;
        /// one that goes on appends to it, after a line with the verdict `resumed`.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Counts the load in files. A file is known by its SHA-256 and counts once.
    Observations {
        /// Files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// How they are written.
        #[arg(long, value_enum)]
        format: Format,
    },
}

#[derive(Clone, Copy, clap::ValueEnum, Debug)]
enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// Runs it.
///
/// # Errors
/// Where a file cannot be read or the database fails: what was reported until then stays.
pub(super) async fn run(
    args: ImportArgs,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut summary = Summary::default();
    match args.what {
        What::Certificates { paths, report } => {
            certificates(&paths, report, engine, &mut summary, output).await?;
        }
        What::Observations { paths, format } => {
            observations(&paths, format, engine, &mut summary, output).await?;
        }
    }
    summary.finish(output)
}

async fn certificates(
    paths: &[PathBuf],
    report: Option<PathBuf>,
    engine: &Engine,
    summary: &mut Summary,
    output: &mut Output,
) -> anyhow::Result<()> {
    let files = files_of(paths)?;
    let mut records = report.map(RecordReport::new).transpose()?;
    for path in files {
        let name = path.display().to_string();
        let opened = KnownFile::open(&path).await;
        let file = opened.with_context(|| format!("cannot read {name}"))?;
        let format = file.certificate_format().with_context(|| {
            format!("cannot tell the format of {name}: it is no PEM, DER or NDJSON, and its header no CSV's")
        })?;
        let mut watcher = Watcher {
            bar: bar(&file, &name),
            records: records.as_mut().map(|records| records.of(&name)),
        };
        let report = ingest::import(engine, &file, format, &mut watcher)
            .await
            .with_context(|| format!("cannot import all of {name}; run it again to go on"))?;
        watcher.bar.finish_and_clear();
        printed(summary.add(output, &name, &report, ""))?;
        if let Some(records) = &mut records {
            records.flush()?;
        }
    }
    Ok(())
}

async fn observations(
    paths: &[PathBuf],
    format: Format,
    engine: &Engine,
    summary: &mut Summary,
    output: &mut Output,
) -> anyhow::Result<()> {
    let format = match format {
        Format::Csv => ObservationFormat::Csv,
        Format::Ndjson => ObservationFormat::Ndjson,
    };
    for path in paths {
        let name = path.display().to_string();
        let opened = KnownFile::open(path).await;
        let file = opened.with_context(|| format!("cannot read {name}"))?;
        let key = BatchKey::File(file.sha256);
        let body = pin!(file.bytes_from(0));
        let observed = ingest::observe(engine, format, body, Some(key))
            .await
            .with_context(|| format!("cannot import {name}; nothing of it counts"))?;
        let (report, note) = match observed {
            Observed::Counted(report) => (report, ""),
            Observed::Repeated(report) => (report, ", counted before: nothing was added"),
            Observed::KeyReused => anyhow::bail!("{name} changed while it was read"),
        };
        printed(summary.add(output, &name, &report, note))?;
    }
    Ok(())
}

/// On standard error, and only for a person who looks on.
fn bar(file: &KnownFile, name: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(file.octets), ProgressDrawTarget::stderr());
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {eta}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

struct Watcher<'a> {
    bar: ProgressBar,
    records: Option<super::record_report::OfFile<'a>>,
}

impl Watch for Watcher<'_> {
    fn judged(&mut self, line: u64, verdict: &Verdict) {
        if let Some(records) = &mut self.records {
            records.judged(line, verdict);
        }
    }

    fn reached(&mut self, at: Position) {
        self.bar.set_position(at.offset);
    }

    fn resumed(&mut self, at: Position) {
        if let Some(records) = &mut self.records {
            records.resumed(at.line);
        }
    }
}

/// What became of all files.
#[derive(Default)]
struct Summary {
    files: u64,
    total: Report,
}

impl Summary {
    /// Prints one file's line, and beneath it its first rejections as compilers print errors.
    fn add(
        &mut self,
        out: &mut impl Write,
        name: &str,
        report: &Report,
        note: &str,
    ) -> io::Result<()> {
        self.files += 1;
        self.total.accepted += report.accepted;
        self.total.unchanged += report.unchanged;
        self.total.rejected += report.rejected;
        writeln!(out, "{name}: {}{note}", counts(report))?;
        for error in &report.errors {
            writeln!(
                out,
                "{name}:{}: {}: {}",
                error.line, error.field, error.detail
            )?;
        }
        Ok(())
    }

    fn finish(self, out: &mut impl Write) -> anyhow::Result<Exit> {
        if self.files != 1 {
            printed(writeln!(
                out,
                "{} files: {}",
                self.files,
                counts(&self.total)
            ))?;
        }
        Ok(if self.total.rejected > 0 {
            Exit::DoneWithRejections
        } else {
            Exit::Done
        })
    }
}

fn counts(report: &Report) -> String {
    format!(
        "{} accepted, {} unchanged, {} rejected",
        report.accepted, report.unchanged, report.rejected
    )
}
