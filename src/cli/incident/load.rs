//! `offpeak incident load`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::io::AsyncReadExt as _;

use super::{Exit, Output};
use crate::cli::output::printed;
use crate::domain::certid::KeyIdentifier;
use crate::engine::Engine;
use crate::ingest::{self, NamedFormat};

/// Bytes read at once.
const READ_OCTETS: usize = 256 << 10;

pub(super) async fn run(
    incident: i64,
    paths: &[PathBuf],
    issuer: Option<&KeyIdentifier>,
    engine: &Engine,
    output: &mut Output,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for path in paths {
        let name = path.display();
        let mut file = tokio::fs::File::open(path)
            .await
            .with_context(|| format!("cannot read {name}"))?;
        let head = piece(&mut file)
            .await
            .with_context(|| format!("cannot read {name}"))?;
        let decoder = NamedFormat::of_text(&head).decoder(issuer.cloned());
        let named = ingest::name_certificates(engine, incident, decoder, pieces(head, file))
            .await
            .with_context(|| format!("cannot load all of {name}; load it again"))?;
        printed(tell(path, &named, output))?;
        if named.report.rejected > 0 {
            exit = Exit::DoneWithRejections;
        }
    }
    Ok(exit)
}

fn tell(path: &Path, named: &ingest::NamedReport, output: &mut Output) -> io::Result<()> {
    let (name, report) = (path.display(), &named.report);
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

async fn piece(file: &mut tokio::fs::File) -> io::Result<Bytes> {
    let mut buffer = vec![0; READ_OCTETS];
    let read = file.read(&mut buffer).await?;
    buffer.truncate(read);
    Ok(buffer.into())
}

/// The file, its beginning having been read.
fn pieces(head: Bytes, file: tokio::fs::File) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((head, file), |(next, mut file)| async move {
        if next.is_empty() {
            return Ok(None);
        }
        let after = piece(&mut file).await?;
        Ok(Some((next, (after, file))))
    })
}
