//! What the index's file contains besides the index: everything needed to answer without the store,
//! and data that would otherwise have to be searched in the store.

use std::io::{self, Read, Write};

use super::fingerprint::Fingerprint;
use super::sealed::{ChecksumReader, ChecksumWriter};
use super::unusable::{Unusable, torn};
use crate::domain::moves::incident::Incident;
use crate::domain::time::Timestamp;
use crate::store::Publication;

/// Everything in the file except certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct SnapshotExtras {
    /// The known incidents.
    pub(in crate::engine) incidents: Vec<Incident>,
    /// The current publication.
    pub(in crate::engine) publication: Option<Publication>,
    /// Successors that are not in the index yet, with their predecessors.
    pub(in crate::engine) awaited: Vec<(Fingerprint, Fingerprint)>,
}

impl SnapshotExtras {
    pub(super) fn write_to(&self, out: &mut ChecksumWriter<impl Write>) -> io::Result<()> {
        out.counted(&serde_json::to_vec(&self.incidents)?)?;
        out.number(i64::try_from(self.awaited.len()).unwrap_or(0))?;
        for (successor, predecessor) in &self.awaited {
            for fingerprint in [successor, predecessor] {
                out.put(&fingerprint.number().to_le_bytes())?;
            }
        }
        out.put(&[u8::from(self.publication.is_some())])?;
        let Some(publication) = &self.publication else {
            return Ok(());
        };
        out.number(publication.number)?;
        out.number(publication.made_at.unix())?;
        out.number(i64::try_from(publication.documents.len()).unwrap_or(0))?;
        for (path, bytes) in &publication.documents {
            out.counted(path.as_bytes())?;
            out.counted(bytes)?;
        }
        Ok(())
    }

    pub(super) fn read_from(input: &mut ChecksumReader<impl Read>) -> Result<Self, Unusable> {
        let incidents = input.counted().map_err(torn)?;
        let incidents = serde_json::from_slice(&incidents).map_err(|_| Unusable::Damaged)?;
        let mut awaited = Vec::new();
        for _ in 0..input.number().map_err(torn)? {
            let mut fingerprint = || input.take().map_err(torn).map(u128::from_le_bytes);
            let (successor, predecessor) = (fingerprint()?, fingerprint()?);
            awaited.push((Fingerprint::of(successor), Fingerprint::of(predecessor)));
        }
        let publication = match input.take().map_err(torn)? {
            [0] => None,
            [1] => Some(read_publication(input)?),
            _ => return Err(Unusable::Damaged),
        };
        Ok(Self {
            incidents,
            publication,
            awaited,
        })
    }
}

fn read_publication(input: &mut ChecksumReader<impl Read>) -> Result<Publication, Unusable> {
    let number = input.number().map_err(torn)?;
    let made_at = Timestamp::from_unix(input.number().map_err(torn)?);
    let mut documents = Vec::new();
    for _ in 0..input.number().map_err(torn)? {
        let path = input.counted().map_err(torn)?;
        let path = String::from_utf8(path).map_err(|_| Unusable::Damaged)?;
        documents.push((path, input.counted().map_err(torn)?.into()));
    }
    Ok(Publication {
        number,
        made_at,
        documents,
    })
}
