//! Adds the certificates of a body or file to an incident.

use std::error::Error;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;

use super::decode::{Decode, Item};
use super::error::{Done, IngestError};
use super::register::PIECE_OCTETS;
use super::rejected::{WHOLE_RECORD, rejection};
use crate::domain::certificate::certid::CertId;
use crate::engine::verdict::{Rejection, Report, Verdict};
use crate::engine::{Added, Engine, IncidentError};

/// Records in a durable step: 1 MB of CertIDs, and some tens of milliseconds. Each step recounts
/// the incident's certificates, which all replicas are told. With more records, a step could write
/// more pages than SQLite's log has room for (`store/sqlite/log.rs`).
const STEP_RECORDS: usize = 10_000;
/// The results for the listed certificates.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NamedReport {
    /// As for every bulk request.
    #[serde(flatten)]
    pub report: Report,
    /// How many of the accepted certificates are not registered. They are kept, and once registered
    /// they are moved when the incident is opened, or opened again.
    pub unregistered: u64,
}

/// Adds the certificates of a body to an incident, in durable steps.
///
/// # Errors
/// [`IngestError`]; what was accepted so far is kept.
pub async fn name_certificates<S, E>(
    engine: &Engine,
    incident: i64,
    mut decoder: Box<dyn Decode<CertId>>,
    body: S,
) -> Result<NamedReport, IngestError>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut naming = Naming {
        engine,
        incident,
        lines: Vec::new(),
        named: Vec::new(),
        done: Done::default(),
        unregistered: 0,
    };
    let fit = engine.takes_certificates(incident).await;
    fit.map_err(|error| naming.stopped(error))?;
    let mut items = Vec::new();
    let mut body = pin!(body);
    while let Some(chunk) = body.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(source) => {
                return Err(IngestError::Body {
                    done: Box::new(naming.done),
                    source: source.into(),
                });
            }
        };
        for piece in chunk.chunks(PIECE_OCTETS) {
            decoder.push(piece, &mut items);
            naming.add(&mut items);
            if naming.lines.len() >= STEP_RECORDS {
                naming.step().await?;
            }
        }
    }
    decoder.finish(&mut items);
    naming.add(&mut items);
    naming.step().await?;
    Ok(NamedReport {
        report: naming.done.report,
        unregistered: naming.unregistered,
    })
}

/// A body being read.
struct Naming<'a> {
    engine: &'a Engine,
    incident: i64,
    /// The lines of this step, and the rejections of those that name nothing.
    lines: Vec<(u64, Option<Rejection>)>,
    named: Vec<CertId>,
    done: Done,
    unregistered: u64,
}

impl Naming<'_> {
    fn add(&mut self, items: &mut Vec<Item<CertId>>) {
        for Item { line, record, .. } in items.drain(..) {
            self.lines.push(match record {
                Ok(id) => {
                    self.named.push(id);
                    (line, None)
                }
                Err(rejection) => (line, Some(rejection)),
            });
        }
    }

    async fn step(&mut self) -> Result<(), IngestError> {
        let (engine, named) = (self.engine, std::mem::take(&mut self.named));
        let added = if named.is_empty() {
            Added::default()
        } else {
            let added = engine
                .add_incident_certificates(self.incident, &named)
                .await;
            added.map_err(|error| self.stopped(error))?
        };
        self.unregistered += added.unregistered;
        let mut verdicts = added.verdicts.into_iter();
        for (line, refused) in self.lines.drain(..) {
            let verdict = refused.map(Verdict::Rejected).or_else(|| verdicts.next());
            // The engine returns a verdict for each.
            let unjudged = || Verdict::Rejected(rejection(WHOLE_RECORD, "it was not judged"));
            self.done.line = line;
            self.done.report.add(line, verdict.unwrap_or_else(unjudged));
        }
        Ok(())
    }

    fn stopped(&mut self, error: IncidentError) -> IngestError {
        let done = Box::new(std::mem::take(&mut self.done));
        match error {
            IncidentError::Engine(source) => IngestError::Engine { done, source },
            source => IngestError::Incident { done, source },
        }
    }
}
