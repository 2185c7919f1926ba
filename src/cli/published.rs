//! A published ranking: from a URL, a file, or the database.

use std::io::Read as _;

use anyhow::{Context as _, bail};

use super::fetch::{client, fetch, is_url};
use super::global::Global;
use crate::domain::policy::ca::CaName;
use crate::domain::publication::documents::RANKING;

/// The largest ranking: one of five-minute slots has about 300 kB.
const LONGEST_RANKING: u64 = 4 << 20;

/// The bytes of the ranking at `place`: a URL, a file, or `-` for standard input. Without a place,
/// the newest one in the database, of one CA or of all combined.
pub(super) async fn ranking_bytes(
    place: Option<&str>,
    ca: Option<&CaName>,
    global: &Global,
) -> anyhow::Result<Vec<u8>> {
    if let Some(place) = place {
        return read_ranking(place).await;
    }
    let engine = global.engine().await?;
    let publication = engine.publication().context(
        "nothing has been published into this database yet: `offpeak publish --now` does it",
    )?;
    let path = match ca {
        Some(ca) => format!("ca/{ca}/{RANKING}"),
        None => RANKING.to_owned(),
    };
    let document = publication.documents.iter().find(|(name, _)| *name == path);
    let (_, bytes) = document.with_context(|| format!("no {path} is published"))?;
    Ok(bytes.to_vec())
}

/// The bytes of a `ranking.json` at a URL, in a file, or on standard input for `-`.
///
/// # Errors
/// It cannot be read.
pub(super) async fn read_ranking(place: &str) -> anyhow::Result<Vec<u8>> {
    if is_url(place) {
        let fetched = fetch(&client()?, place, LONGEST_RANKING).await;
        return fetched.with_context(|| format!("cannot fetch {place}"));
    }
    let from: Box<dyn std::io::Read> = if place == "-" {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(place);
        Box::new(opened.with_context(|| format!("cannot read {place}"))?)
    };
    let mut bytes = Vec::new();
    from.take(LONGEST_RANKING + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST_RANKING {
        bail!("{place} has more than {LONGEST_RANKING} octets");
    }
    Ok(bytes)
}
