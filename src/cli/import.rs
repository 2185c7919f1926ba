//! `offpeak import certificates|observations PATH…`.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::pin::pin;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::exit::Exit;
use super::import_summary::{ReportFormat, Summary};
use super::input::{Input, Inputs};
use super::output::Output;
use super::record_report::RecordReport;
use crate::domain::demand::permission::Reporter;
use crate::engine::Engine;
use crate::engine::verdict::{Report, Verdict};
use crate::ingest::{self, KnownFile, ObservationFormat, Observed, Position, Unknown, Watch};
use crate::store::BatchKey;

/// Takes in certificates or observations from files
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  offpeak import certificates /etc/letsencrypt/live")]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    what: What,
    /// Skips unknown columns and keys instead of refusing them
    #[arg(long, global = true)]
    ignore_unknown: bool,
    /// Prints one JSON object at the end instead of a line a file
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Registers the certificates of files, and of the PEM and DER files in directories
    ///
    /// Run again after it was stopped, it goes on where it ended. A file of which nothing was taken
    /// may be imported again as if for the first time.
    #[command(after_help = "Formats, recognised by content:
  PEM or DER   every certificate that is not a CA's
  CSV          under a header: cert_id, or issuer (the key identifier) and serial in hexadecimal;
               not_before,not_after, of which a date alone is its midnight; issued_at where known
  NDJSON       certId,notBefore,notAfter, and where known issuedAt,replaces; or pem,issuedAt
Times are RFC 3339 or whole seconds since 1970.

Examples:
  offpeak import certificates /etc/letsencrypt/live
  offpeak import certificates --report rejected.ndjson issued.csv
  psql -c \"COPY (SELECT …) TO STDOUT CSV HEADER\" | offpeak import certificates --ignore-unknown -")]
    Certificates {
        /// Files and directories; `-` is standard input
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Writes what became of each record to this file, as NDJSON
        ///
        /// A new import writes it anew; one that goes on appends to it, after a line with the
        /// verdict `resumed`.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Counts the load in files; one is known by its SHA-256 and counts once
    ///
    /// One of which nothing was taken, such as with the wrong --format, may be imported again.
    #[command(after_help = "What is read:
  CSV      under a header: at,kind,count, and where known ca,seconds,source,endpoint,error_type,
           vantage,dimension,latency_ms,latency_p95_ms
  NDJSON   the same in camelCase: errorType, latencyMs, latencyP95Ms

Examples:
  offpeak import observations --format csv load-2026-11.csv
  zcat load.ndjson.gz | offpeak import observations --format ndjson -")]
    Observations {
        /// Files; `-` is standard input
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Their format
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

/// Runs the command.
///
/// # Errors
/// A file cannot be read or the database fails; what was reported so far is kept.
pub(super) async fn run(
    args: ImportArgs,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let (paths, format, records) = match args.what {
        What::Certificates { paths, report } => (paths, None, report),
        What::Observations { paths, format } => (paths, Some(format.of_observations()), None),
    };
    let inputs = Inputs::of(&paths)?;
    let report_format = if args.json {
        ReportFormat::AsJson
    } else {
        ReportFormat::AsText
    };
    let mut summary = Summary::new(&engine.config().database, report_format);
    summary.begin(output)?;
    let unknown = if args.ignore_unknown {
        Unknown::Ignored
    } else {
        Unknown::Refused
    };
    let mut records = records.map(RecordReport::new).transpose()?;
    for Input { name, path } in inputs.files() {
        let opened = KnownFile::open(path).await;
        let file = opened.with_context(|| format!("cannot read {name}"))?;
        let (report, note) = match format {
            None => (
                certificates(&file, name, unknown, engine, &mut records).await?,
                "",
            ),
            Some(format) => observations(&file, name, (format, unknown), engine).await?,
        };
        summary.add(output, name, report, note)?;
    }
    summary.finish(output)
}

impl Format {
    const fn of_observations(self) -> ObservationFormat {
        match self {
            Self::Csv => ObservationFormat::Csv,
            Self::Ndjson => ObservationFormat::Ndjson,
        }
    }
}

async fn certificates(
    file: &KnownFile,
    name: &str,
    unknown: Unknown,
    engine: &Engine,
    records: &mut Option<RecordReport>,
) -> anyhow::Result<Report> {
    let format = file.certificate_format().with_context(|| {
        format!(
            "the format of {name} is not recognised: it is not PEM, DER or NDJSON, and has no CSV header"
        )
    })?;
    let mut watcher = Watcher {
        bar: bar(file, name),
        records: records.as_mut().map(|records| records.of(name)),
    };
    let report = ingest::import(engine, file, (format, unknown), &mut watcher)
        .await
        .with_context(|| format!("cannot import all of {name}; run it again to go on"))?;
    watcher.bar.finish_and_clear();
    if let Some(records) = records {
        records.flush()?;
    }
    Ok(report)
}

async fn observations(
    file: &KnownFile,
    name: &str,
    format: (ObservationFormat, Unknown),
    engine: &Engine,
) -> anyhow::Result<(Report, &'static str)> {
    let key = BatchKey::File(file.sha256);
    let bar = bar(file, name);
    let body = file
        .bytes_from(0)
        .inspect_ok(|octets| bar.inc(octets.len() as u64));
    let body = pin!(body);
    let observed = ingest::observe(engine, &Reporter::default(), format, body, Some(key))
        .await
        .with_context(|| format!("cannot import {name}; nothing of it counts"))?;
    bar.finish_and_clear();
    match observed {
        Observed::Counted(report) => Ok((report, "")),
        Observed::Repeated(report) => Ok((report, "counted before: nothing was added")),
        Observed::KeyReused => anyhow::bail!("{name} changed while it was read"),
    }
}

/// On standard error, and only on a terminal.
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
