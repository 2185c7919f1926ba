//! Reverts an import.

use std::collections::HashMap;
use std::pin::pin;

use futures_util::StreamExt;
use futures_util::future::join;

use super::decode::Item;
use super::error::{Done, IngestError};
use super::fields::Unknown;
use super::file::KnownFile;
use super::format::CertificateFormat;
use super::kept::Kept;
use super::register::{PIECE_OCTETS, Registry, STEP_RECORDS, Step};
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::{Certificate, Submission};
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError};

/// What was reverted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forgotten {
    /// Its certificates.
    Certificates {
        /// Certificates removed.
        removed: u64,
        /// Certificates kept: registered before the import, or with other dates than in the file.
        left: u64,
        /// Certificates of the file that were not registered, mostly expired ones.
        absent: u64,
    },
    /// Nothing, because the file was never imported.
    Nothing,
    /// Its observations.
    Observations,
}

/// Reverts what `file` added, and nothing else. A certificate that was registered before the
/// import, or with other dates, is kept. If it is interrupted, it can be run again.
///
/// # Errors
/// [`IngestError`]; `format` is needed if certificates were imported.
pub async fn forget(
    engine: &Engine,
    file: &KnownFile,
    format: Option<CertificateFormat>,
) -> Result<Forgotten, IngestError> {
    forget_in(engine, file, format).await
}

#[derive(Default)]
struct Counts {
    removed: u64,
    left: u64,
    absent: u64,
}

pub(super) async fn forget_in<R: Registry>(
    registry: &R,
    file: &KnownFile,
    format: Option<CertificateFormat>,
) -> Result<Forgotten, IngestError> {
    let progress = registry
        .import_progress(&file.sha256)
        .await
        .map_err(failed)?;
    let (Some(progress), Some(format)) = (progress, format) else {
        let was_known = registry.forget_file(&file.sha256).await.map_err(failed)?;
        return Ok(if was_known {
            Forgotten::Observations
        } else {
            Forgotten::Nothing
        });
    };
    let since = Kept::of(&progress).map_err(failed)?.started_at();
    let mut counts = Counts::default();
    // However it was imported, only what it added is reverted.
    let mut decoder = format.decoder_with(Unknown::Ignored);
    let mut items = Vec::new();
    let mut step = Step::default();
    let mut found = Vec::new();
    let mut chunks = pin!(file.bytes_from(0));
    while let Some(chunk) = chunks.next().await {
        for piece in chunk?.chunks(PIECE_OCTETS) {
            decoder.push(piece, &mut items);
            for item in brought_in(&mut items, progress.offset) {
                step.add(item);
                if step.len() >= STEP_RECORDS {
                    let next = std::mem::take(&mut step);
                    found = remove_and_find(registry, &found, &next, since, &mut counts).await?;
                }
            }
        }
    }
    decoder.finish(&mut items);
    brought_in(&mut items, progress.offset).for_each(|item| step.add(item));
    found = remove_and_find(registry, &found, &step, since, &mut counts).await?;
    remove_and_find(registry, &found, &Step::default(), since, &mut counts).await?;
    registry.forget_file(&file.sha256).await.map_err(failed)?;
    let Counts {
        removed,
        left,
        absent,
    } = counts;
    Ok(Forgotten::Certificates {
        removed,
        left,
        absent,
    })
}

/// An interrupted import added nothing after its last step.
fn brought_in(
    items: &mut Vec<Item<Submission>>,
    offset: u64,
) -> impl Iterator<Item = Item<Submission>> {
    items
        .drain(..)
        .filter(move |item| item.next.offset <= offset)
}

/// Removes the certificates found in one step, while looking up those of the next.
async fn remove_and_find<R: Registry>(
    registry: &R,
    found: &[CertId],
    next: &Step,
    since: Timestamp,
    counts: &mut Counts,
) -> Result<Vec<CertId>, IngestError> {
    // In one query; single queries would spend most of the time on round trips.
    let asked: Vec<CertId> = next.submissions.iter().map(|one| one.id.clone()).collect();
    let removing = async {
        if found.is_empty() {
            return Ok(0);
        }
        registry.remove(found).await
    };
    let (removed, rows) = join(removing, registry.certificates(&asked)).await;
    let removed = removed.map_err(failed)?;
    counts.removed += removed;
    // Listed twice, or removed by someone else since.
    counts.absent += (found.len() as u64).saturating_sub(removed);
    let rows = rows.map_err(failed)?.into_iter();
    let mut rows: HashMap<CertId, Certificate> = rows.map(|row| (row.id.clone(), row)).collect();
    let mut ids: Vec<CertId> = Vec::new();
    for submission in &next.submissions {
        match rows.remove(&submission.id) {
            None => counts.absent += 1,
            Some(row) if row.validity == submission.validity && row.registered_at >= since => {
                ids.push(row.id);
            }
            Some(_) => counts.left += 1,
        }
    }
    Ok(ids)
}

fn failed(source: EngineError) -> IngestError {
    IngestError::Engine {
        done: Box::new(Done::default()),
        source,
    }
}
