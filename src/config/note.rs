//! `[[note]]`: an operator's text on the page and in the ranking.

use super::error::Problems;
use super::section::Section;
use super::value;
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::policy::note::Note;
use crate::domain::time::Span;

/// The longest note in bytes: a line or two on the page.
const LONGEST_OCTETS: usize = 500;

/// Reads a note, and adds it to its CA, or to all CAs if it names none.
pub(super) fn read(section: &mut Section<'_>, cas: &mut [CaPolicy], problems: &mut Problems<'_>) {
    let ca = section.read("ca", problems, |v| {
        let name: CaName = value::text(v)?
            .parse()
            .map_err(|error: crate::domain::policy::ca::CaNameError| error.to_string())?;
        if cas.iter().any(|ca| ca.name == name) {
            Ok(name)
        } else {
            Err(format!("no [[ca]] is named {name}"))
        }
    });
    let from = section.require("from", problems, value::instant);
    let to = section.require("to", problems, value::instant);
    let text = section.require("text", problems, |v| {
        let text = value::text(v)?;
        if text.trim().is_empty() || text.len() > LONGEST_OCTETS || text.contains(char::is_control)
        {
            return Err(format!("takes one line of 1 to {LONGEST_OCTETS} octets"));
        }
        Ok(text.to_owned())
    });
    let (Some(from), Some(to), Some(text)) = (from, to, text) else {
        return;
    };
    let span = Span { from, to };
    if span.seconds() == 0 {
        section.fault("to", problems, "is not after from");
        return;
    }
    let concerned = cas
        .iter_mut()
        .filter(|of| ca.as_ref().is_none_or(|ca| of.name == *ca));
    for of in concerned {
        let text = text.clone();
        of.notes.push(Note { span, text });
    }
}
