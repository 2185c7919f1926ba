//! A published ranking: from a file, or the newest in the database.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

use super::Global;
use crate::domain::policy::ca::CaName;
use crate::domain::publication::documents::RANKING;

/// The longest ranking that is read: one of five-minute slots has some 300 kB.
const LONGEST_RANKING: u64 = 4 << 20;

/// The bytes of the ranking in `file`, `-` for standard input; without one, of the newest in the database,
/// of one CA or of all together.
pub(super) async fn ranking_bytes(
    file: Option<&Path>,
    ca: Option<&CaName>,
    global: &Global,
) -> anyhow::Result<Vec<u8>> {
    if let Some(file) = file {
        return read_ranking(file);
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

/// The bytes of a `ranking.json`.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn read_ranking(file: &Path) -> anyhow::Result<Vec<u8>> {
    let from: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        let opened = std::fs::File::open(file);
        Box::new(opened.with_context(|| format!("cannot read {}", file.display()))?)
    };
    let mut bytes = Vec::new();
    from.take(LONGEST_RANKING).read_to_end(&mut bytes)?;
    Ok(bytes)
}
