//! `kind = "ranking"`: another server's `ranking.json`, used until there is load of your own.

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value::{self, base_url};

/// The longest URL or path in bytes.
const MOST_OCTETS: usize = 2_000;

/// A ranking that is used as a start.
#[derive(Clone, Debug, PartialEq)]
pub struct RankingConfig {
    /// A URL, or `file://` and the path of a file.
    pub url: String,
}

pub(super) fn read(
    section: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<RankingConfig> {
    let url = section.require("ranking", problems, |v| {
        let text = value::text(v)?;
        if text.is_empty() || text.len() > MOST_OCTETS {
            Err(format!("takes 1 to {MOST_OCTETS} octets"))
        } else if text.contains("://") {
            base_url(text)
        } else {
            let path = std::path::absolute(text).map_err(|error| error.to_string())?;
            Ok(format!("file://{}", path.display()))
        }
    });
    Some(RankingConfig { url: url? })
}
