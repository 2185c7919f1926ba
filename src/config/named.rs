//! Values that name something: a CA of this file, a URL.

use toml::de::DeValue;

use super::value::{self, base_url};
use crate::domain::policy::ca::{CaName, CaPolicy};

/// The name of one of these CAs.
///
/// # Errors
/// If none has this name.
pub(super) fn ca(value: &DeValue<'_>, cas: &[CaPolicy]) -> Result<CaName, String> {
    let name = value::text(value)?;
    let known = cas.iter().find(|ca| ca.name.as_str() == name);
    known
        .map(|ca| ca.name.clone())
        .ok_or_else(|| format!("no [[ca]] has the name {name:?}"))
}

/// An absolute http or https URL; a path may end with a slash.
///
/// # Errors
/// If it is none.
pub(super) fn web_url(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    base_url(text.trim_end_matches('/'))
        .map(|_| text.to_owned())
        .map_err(|_| format!("{text:?} is no absolute http or https URL"))
}
