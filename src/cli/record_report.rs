//! `--report FILE`: the result for each record of an import, as NDJSON.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::engine::verdict::{Rejection, Verdict};

/// The end of a line is searched in steps of this many octets, which contain a line or many.
const CHUNK_OCTETS: usize = 4_096;

/// The report file. Whether it is started anew is decided at the first record, because only then it
/// is known whether an import is continued.
///
/// A crash loses at most the lines of the last durable step. The run that continues writes them,
/// because it judges that step's records again.
pub(super) struct RecordReport {
    path: PathBuf,
    out: Option<BufWriter<File>>,
    failed: Option<io::Error>,
}

/// The lines of one imported file.
pub(super) struct OfFile<'a> {
    report: &'a mut RecordReport,
    path: &'a str,
}

#[derive(Serialize)]
struct Record<'a> {
    path: &'a str,
    line: u64,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

impl RecordReport {
    /// # Errors
    /// The file cannot be written; better to fail before an import than after it.
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        let opened = Opening::Appending.open(&path);
        opened.with_context(|| cannot_write(&path))?;
        Ok(Self {
            path,
            out: None,
            failed: None,
        })
    }

    pub(super) const fn of<'a>(&'a mut self, path: &'a str) -> OfFile<'a> {
        OfFile { report: self, path }
    }

    /// Writes buffered lines.
    ///
    /// # Errors
    /// This or an earlier line could not be written.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let flushed = match (self.failed.take(), &mut self.out) {
            (Some(error), _) => Err(error),
            (None, Some(out)) => out.flush(),
            (None, None) => Ok(()),
        };
        flushed.with_context(|| cannot_write(&self.path))
    }

    fn write(&mut self, record: &Record<'_>, opening: Opening) {
        if self.failed.is_some() {
            return;
        }
        let path = &self.path;
        let written = match &mut self.out {
            Some(out) => append(out, record),
            none => opening
                .open(path)
                .and_then(|file| append(none.insert(BufWriter::new(file)), record)),
        };
        self.failed = written.err();
    }
}

impl OfFile<'_> {
    pub(super) fn judged(&mut self, line: u64, verdict: &Verdict) {
        let (verdict, rejection) = match verdict {
            Verdict::Accepted => ("accepted", None),
            Verdict::Rejected(rejection) => ("rejected", Some(rejection)),
            Verdict::Unchanged => ("unchanged", None),
        };
        let record = Record {
            path: self.path,
            line,
            verdict,
            field: rejection.map(|Rejection { field, .. }| field.as_str()),
            detail: rejection.map(|Rejection { detail, .. }| detail.as_str()),
        };
        self.report.write(&record, Opening::Anew);
    }

    /// An earlier run judged the lines up to `line`, and may have written them to another file.
    pub(super) fn resumed(&mut self, line: u64) {
        let record = Record {
            path: self.path,
            line,
            verdict: "resumed",
            field: None,
            detail: Some("lines up to this one were judged by an earlier run"),
        };
        self.report.write(&record, Opening::Appending);
    }
}

#[derive(Clone, Copy)]
enum Opening {
    Anew,
    Appending,
}

impl Opening {
    fn open(self, path: &Path) -> io::Result<File> {
        match self {
            Self::Anew => File::create(path),
            Self::Appending => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                if file.metadata()?.is_file() {
                    cut_torn_line(path, &file)?;
                }
                Ok(file)
            }
        }
    }
}

/// A run that was killed may have left half a line. The run that continues judges that record
/// again.
fn cut_torn_line(path: &Path, file: &File) -> io::Result<()> {
    let mut reader = File::open(path)?;
    let mut chunk = [0; CHUNK_OCTETS];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let octets = usize::try_from(end).map_or(CHUNK_OCTETS, |end| end.min(CHUNK_OCTETS));
        let start = end - octets as u64;
        let part = &mut chunk[..octets];
        reader.seek(SeekFrom::Start(start))?;
        reader.read_exact(part)?;
        if let Some(newline) = part.iter().rposition(|octet| *octet == b'\n') {
            return file.set_len(start + newline as u64 + 1);
        }
        end = start;
    }
    file.set_len(0)
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write the report {}", path.display())
}

fn append(out: &mut BufWriter<File>, record: &Record<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &PathBuf) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_run_writes_anew_and_one_that_goes_on_appends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.ndjson");
        std::fs::write(&path, "old\n").unwrap();
        let mut first = RecordReport::new(path.clone()).unwrap();
        let rejection = Rejection::new("not_after", "it is missing");
        first.of("a.csv").judged(2, &Verdict::Accepted);
        first.of("a.csv").judged(3, &Verdict::Rejected(rejection));
        first.flush().unwrap();
        let mut second = RecordReport::new(path.clone()).unwrap();
        second.of("a.csv").resumed(3);
        second.of("a.csv").judged(4, &Verdict::Unchanged);
        second.flush().unwrap();
        let lines = lines(&path);
        assert_eq!(
            lines[..2],
            [
                r#"{"path":"a.csv","line":2,"verdict":"accepted"}"#,
                r#"{"path":"a.csv","line":3,"verdict":"rejected","field":"not_after","detail":"it is missing"}"#,
            ]
        );
        assert!(lines[2].starts_with(r#"{"path":"a.csv","line":3,"verdict":"resumed""#));
        assert_eq!(
            lines[3],
            r#"{"path":"a.csv","line":4,"verdict":"unchanged"}"#
        );
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_line_that_a_killed_run_left_unfinished_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.ndjson");
        let torn = format!(r#"{{"path":"{}"#, "x".repeat(2 * CHUNK_OCTETS));
        for whole in ["", "{}\n{}\n"] {
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            let mut report = RecordReport::new(path.clone()).unwrap();
            report.of("a.csv").resumed(3);
            report.flush().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let rest = text.strip_prefix(whole).unwrap();
            assert!(rest.starts_with(r#"{"path":"a.csv","line":3,"#), "{rest}");
        }
    }

    #[test]
    fn a_report_that_cannot_be_written_is_an_error() {
        let nowhere = RecordReport::new(PathBuf::from("/nowhere/report.ndjson"));
        let error = nowhere.err().unwrap().to_string();
        assert!(error.contains("/nowhere/report.ndjson"), "{error}");
        let mut full = RecordReport::new(PathBuf::from("/dev/full")).unwrap();
        full.of("a.csv").judged(2, &Verdict::Accepted);
        let error = full.flush().unwrap_err().to_string();
        assert!(error.contains("/dev/full"), "{error}");
    }
}
