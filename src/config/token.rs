//! `[[token]]`: tokens for the admin listener.

use std::collections::HashMap;

use super::error::Problems;
use super::hint::did_you_mean;
use super::section::Section;
use super::value;
use crate::domain::demand::permission::{Permission, Voice};

/// The hash of a token, and its permissions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// Its name, for logs.
    pub name: String,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// Its permissions.
    pub scopes: Vec<Scope>,
    /// The sources for which it may submit observations.
    pub sources: Permission,
}

/// A permission of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Everything.
    Admin,
    /// Read counts of load, as a peer.
    Export,
    /// Submit and read certificates, and submit observations.
    Ingest,
}

impl Scope {
    /// Its name in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Export => "export",
            Self::Ingest => "ingest",
        }
    }
}

/// The names and hashes of the tokens read so far, and where each was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    names: HashMap<String, String>,
    hashes: HashMap<[u8; 32], String>,
}

/// One token; `None` if a key is missing or wrong; the problem is then added.
pub(super) fn read(
    section: &mut Section<'_>,
    seen: &mut Seen,
    problems: &mut Problems<'_>,
) -> Option<Token> {
    let path = section.path_of("");
    let name = section.require("name", problems, |v| {
        let name = name(value::text(v)?)?;
        match seen.names.insert(name.clone(), path.clone()) {
            None => Ok(name),
            Some(other) => Err(format!("{name} is the name of {other} too")),
        }
    });
    let sha256 = section.require("sha256", problems, |v| {
        let sha256 = value::sha256(value::text(v)?)?;
        match seen.hashes.insert(sha256, path.clone()) {
            None => Ok(sha256),
            Some(other) => Err(format!("{other} is the same token")),
        }
    });
    let none_given = !section.has("scopes");
    let scopes = section.list("scopes", problems, |v, _| scope(value::text(v)?));
    if none_given {
        section.fault("scopes", problems, "is missing");
    } else if scopes.is_empty() {
        section.fault(
            "scopes",
            problems,
            "opens nothing: give \"ingest\", \"export\" or \"admin\"",
        );
    }
    let any = !section.has("sources");
    let voices = section.list("sources", problems, |v, _| value::text(v)?.parse::<Voice>());
    Some(Token {
        name: name?,
        sha256: sha256?,
        scopes,
        sources: if any {
            Permission::default()
        } else {
            Permission::to(voices)
        },
    })
}

/// A token's name: 1 to 63 letters, digits, `-`, `_` and `.`, because it is used in logs.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, String> {
    let fits = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no name: 1 to 63 letters, digits, '-', '_' and '.'"
        ))
    }
}

/// A scope by its name.
///
/// # Errors
/// What is wrong with it.
pub fn scope(text: &str) -> Result<Scope, String> {
    match text {
        "admin" => Ok(Scope::Admin),
        "export" => Ok(Scope::Export),
        "ingest" => Ok(Scope::Ingest),
        other => {
            let hint = did_you_mean(other, ["admin", "export", "ingest"]);
            Err(format!(
                "{other:?} is no scope: \"ingest\", \"export\" or \"admin\"{hint}"
            ))
        }
    }
}
