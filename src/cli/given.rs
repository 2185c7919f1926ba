//! Arguments of the command line: a path is a file, or standard input for `-`; the name of the CA
//! may be left out.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::usage::UsageError;
use crate::domain::policy::ca::CaName;
use crate::engine::Engine;

/// Stands for standard input.
const STDIN: &str = "-";

/// A configuration of ten thousand CAs takes 16 MB, and a chain of certificates less.
const MOST_OCTETS: u64 = 16 << 20;

/// Whether the path stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// How messages call it.
pub(super) fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// What is in it, where that is no more than fits in memory.
///
/// # Errors
/// Where it cannot be read, or is too long.
pub(super) fn octets_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let input: Box<dyn Read> = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    input.take(MOST_OCTETS + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > MOST_OCTETS {
        let reason = format!("it has more than {MOST_OCTETS} octets");
        return Err(io::Error::other(reason));
    }
    Ok(octets)
}

/// The same, as text.
///
/// # Errors
/// And where it is not UTF-8.
pub(super) fn text_of(path: &Path) -> io::Result<String> {
    String::from_utf8(octets_of(path)?).map_err(io::Error::other)
}

/// The CA that is named, or the only one there is.
///
/// # Errors
/// [`UsageError`] with the names where there are several: nobody is to guess which is meant.
pub(super) fn ca_or_only(named: Option<CaName>, engine: &Engine) -> Result<CaName, UsageError> {
    match named {
        Some(named) => Ok(named),
        None => engine.unnamed_ca().map_err(|cas| {
            let several: Vec<&str> = cas.iter().map(CaName::as_str).collect();
            UsageError(format!(
                "there are several CAs: name one by --ca, of {}",
                several.join(", ")
            ))
        }),
    }
}
