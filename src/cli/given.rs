//! Command-line arguments: a path is a file, or `-` for standard input, and the CA's name may be
//! omitted.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::usage::UsageError;
use crate::domain::policy::ca::CaName;
use crate::engine::Engine;

/// Means standard input.
const STDIN: &str = "-";

/// The largest input: a configuration of ten thousand CAs takes 16 MB, a certificate chain less.
const MOST_OCTETS: u64 = 16 << 20;

/// Whether the path means standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == STDIN
}

/// Its name in messages.
pub(super) fn name_of(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Reads it, up to the maximum size.
///
/// # Errors
/// It cannot be read, or is too long.
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

/// Reads it as text.
///
/// # Errors
/// As [`octets_of`], or it is not UTF-8.
pub(super) fn text_of(path: &Path) -> io::Result<String> {
    String::from_utf8(octets_of(path)?).map_err(io::Error::other)
}

/// The named CA, or the only one.
///
/// # Errors
/// [`UsageError`] with the names if there are several, because guessing would be wrong.
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
