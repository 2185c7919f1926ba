//! `offpeak incident load`.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::super::exit::Exit;
use super::super::output::Output;
use super::Load;
use crate::cli::given::{is_stdin, name_of};
use crate::cli::output::printed;
use crate::engine::Engine;
use crate::ingest::{self, NamedFormat};

/// Bytes read at once.
const READ_OCTETS: usize = 256 << 10;

impl Load {
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        self.which.progress(engine).await?;
        let mut exit = Exit::Done;
        let mut files = Vec::new();
        for path in &self.paths {
            let named = self.load(path, engine).await?;
            if self.json {
                let mut document = serde_json::to_value(&named)?;
                document["file"] = path.to_string_lossy().into();
                files.push(document);
            } else {
                printed(write_report(path, &named, output))?;
            }
            if named.report.rejected > 0 {
                exit = Exit::DoneWithRejections;
            }
        }
        if self.json {
            let document = serde_json::json!({ "files": files });
            printed(writeln!(output, "{document}"))?;
        }
        Ok(exit)
    }

    async fn load(&self, path: &Path, engine: &Engine) -> anyhow::Result<ingest::NamedReport> {
        let name = name_of(path);
        let unread = || format!("cannot read {name}");
        let mut input = if is_stdin(path) {
            let input = io::stdin().as_fd().try_clone_to_owned();
            File::from_std(input.with_context(unread)?.into())
        } else {
            File::open(path).await.with_context(unread)?
        };
        let head = piece(&mut input).await.with_context(unread)?;
        let decoder = NamedFormat::of_text(&head).decoder(self.issuer.clone());
        let pieces = pieces(head, input);
        ingest::name_certificates(engine, self.which.incident, decoder, pieces)
            .await
            .with_context(|| format!("cannot load all of {name}; load it again"))
    }
}

fn write_report(path: &Path, named: &ingest::NamedReport, output: &mut Output) -> io::Result<()> {
    let (name, report) = (name_of(path), &named.report);
    writeln!(
        output,
        "{name}: {} accepted, {} unchanged, {} rejected; {} of them are not registered",
        report.accepted, report.unchanged, report.rejected, named.unregistered
    )?;
    for error in &report.errors {
        writeln!(
            output,
            "{name}:{}: {}: {}",
            error.line, error.field, error.detail
        )?;
    }
    Ok(())
}

/// Reads what is available; at the beginning, as much as is needed to detect the format.
async fn piece(input: &mut File) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(READ_OCTETS);
    let most = u64::try_from(READ_OCTETS).unwrap_or(u64::MAX);
    input.take(most).read_to_end(&mut buffer).await?;
    Ok(buffer.into())
}

/// The input after its beginning has been read.
fn pieces(head: Bytes, input: File) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((head, input), |(next, mut input)| async move {
        if next.is_empty() {
            return Ok(None);
        }
        let after = piece(&mut input).await?;
        Ok(Some((next, (after, input))))
    })
}
