//! What answers are made of beside the index, in the index's file: with it a process answers that
//! cannot reach its store.

use std::io::{self, Read, Write};

use super::sealed::{Sealing, Unsealing};
use super::snapshot::{Unusable, torn};
use crate::domain::incident::Incident;
use crate::domain::time::Timestamp;
use crate::store::Publication;

/// Everything but certificates that is answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Beside {
    /// Those that are known.
    pub(in crate::engine) incidents: Vec<Incident>,
    /// The one in force.
    pub(in crate::engine) publication: Option<Publication>,
}

impl Beside {
    pub(super) fn write_to(&self, out: &mut Sealing<impl Write>) -> io::Result<()> {
        out.counted(&serde_json::to_vec(&self.incidents)?)?;
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

    pub(super) fn read_from(input: &mut Unsealing<impl Read>) -> Result<Self, Unusable> {
        let incidents = input.counted().map_err(torn)?;
        let incidents = serde_json::from_slice(&incidents).map_err(|_| Unusable::Damaged)?;
        let publication = match input.take().map_err(torn)? {
            [0] => None,
            [1] => Some(read_publication(input)?),
            _ => return Err(Unusable::Damaged),
        };
        Ok(Self {
            incidents,
            publication,
        })
    }
}

fn read_publication(input: &mut Unsealing<impl Read>) -> Result<Publication, Unusable> {
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
