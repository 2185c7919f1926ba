//! Verifies a published tree: its checksums, signatures and age.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::sign::{SIGNATURE, SUMS, Verifier, hex};
use crate::domain::publication::documents::RANKING;
use crate::domain::time::Timestamp;

/// The largest file: a ranking of five-minute slots has 300 kB.
pub const MOST_OCTETS: u64 = 4 << 20;
/// The most files: a ranking and its copies for each of a thousand CAs.
const MOST_FILES: usize = 10_000;

/// A tree to read from.
pub trait Tree {
    /// The content of a file by its path relative to the root; at most [`MOST_OCTETS`].
    fn file(&self, path: &str) -> impl Future<Output = Result<Vec<u8>, String>> + Send;
}

/// The result for a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The error; `None` if there is none.
    pub fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dated {
    generated_at: Timestamp,
    valid_until: Timestamp,
}

/// Checks every file listed in the checksums, and the checksums themselves. Signatures are checked
/// if there is a key.
pub async fn verify(tree: &impl Tree, key: Option<&Verifier>, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let sums = match signed(tree, SUMS, key).await {
        Ok(bytes) => bytes,
        Err(fault) => return vec![Finding::of(SUMS, Err(fault))],
    };
    let listed = match listed(&sums) {
        Ok(listed) => listed,
        Err(fault) => return vec![Finding::of(SUMS, Err(fault))],
    };
    found.push(Finding::of(SUMS, Ok(())));
    for (sum, path) in listed {
        let looked_at = match signed(tree, path, key).await {
            Ok(bytes) if hex(&Sha256::digest(&bytes)) != sum => {
                Err(format!("its SHA-256 is not that of {SUMS}"))
            }
            Ok(bytes) if path == RANKING => age(&bytes, now),
            Ok(_) => Ok(()),
            Err(fault) => Err(fault),
        };
        found.push(Finding::of(path, looked_at));
    }
    if !found.iter().any(|finding| finding.path == RANKING) {
        found.push(Finding::of(
            RANKING,
            Err(format!("{SUMS} does not list it")),
        ));
    }
    found
}

async fn signed(tree: &impl Tree, path: &str, key: Option<&Verifier>) -> Result<Vec<u8>, String> {
    let bytes = tree.file(path).await?;
    if let Some(key) = key {
        let signature = tree.file(&format!("{path}{SIGNATURE}")).await;
        let signature = signature.map_err(|fault| format!("its signature: {fault}"))?;
        key.verify(&bytes, &signature)?;
    }
    Ok(bytes)
}

/// The checksums and paths in a list; a path that leads out of the tree is an error.
fn listed(sums: &[u8]) -> Result<Vec<(&str, &str)>, String> {
    let text = str::from_utf8(sums).map_err(|_| "it is no text".to_owned())?;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let plain = |path: &str| {
            let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
            path.split('/').all(part) && !path.contains(['?', '#', '%', ':'])
        };
        match line.split_once("  ") {
            Some((sum, path)) if sum.len() == 64 && plain(path) => found.push((sum, path)),
            _ => return Err(format!("line {number} is no sum and path")),
        }
        if found.len() > MOST_FILES {
            return Err(format!("it lists more than {MOST_FILES} files"));
        }
    }
    Ok(found)
}

fn age(ranking: &[u8], now: Timestamp) -> Result<(), String> {
    let dated: Dated = serde_json::from_slice(ranking)
        .map_err(|error| format!("it has no generatedAt and validUntil: {error}"))?;
    if now > dated.valid_until {
        return Err(format!(
            "it is stale: made at {}, it was valid until {}",
            dated.generated_at, dated.valid_until
        ));
    }
    Ok(())
}

impl Finding {
    fn of(path: &str, looked_at: Result<(), String>) -> Self {
        Self {
            path: path.to_owned(),
            fault: looked_at.err(),
        }
    }
}
