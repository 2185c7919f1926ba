//! What comes in: bytes into records, and records into the engine, with a report of what became of
//! each.
//!
//! `format` tells which decoder reads a body or file; `decode` and `lines` are its frame; `csv`,
//! `json`, `pem` and `x509` the notations; `certificate` and `observation` the records. `register`,
//! `observe` and `concern` take a stream, `import` and `forget` a file.

use std::fmt::Display;

use crate::domain::report::Rejection;

#[cfg(test)]
mod body_tests;
mod certificate;
mod concern;
mod csv;
mod decode;
mod error;
#[cfg(test)]
mod fake;
mod fields;
mod file;
mod forget;
mod format;
mod import;
#[cfg(test)]
mod import_tests;
mod json;
mod kept;
mod lines;
mod named;
mod observation;
mod observe;
mod pem;
mod register;
pub mod x509;

pub use certificate::{Identified, identified};
pub use concern::{NamedReport, name_certificates};
pub use decode::{Decode, Item, Position};
pub use error::{IngestError, UnknownMediaType};
pub use file::{KnownFile, pem_or_der};
pub use forget::{Forgotten, forget};
pub use format::{CertificateFormat, ObservationFormat};
pub use import::{Watch, import};
pub use named::NamedFormat;
pub use observe::{Observed, observe};
pub use register::register;

/// The name of the field at fault where it is no single one.
const WHOLE_RECORD: &str = "record";

/// A rejection whose texts are bounded, however much of the input they cite.
fn rejection(field: &str, detail: impl Display) -> Rejection {
    // An error cites one value: 64 octets name a column, 300 hold a CertID and a sentence.
    Rejection::new(cut(field.to_owned(), 64), cut(detail.to_string(), 300))
}

fn cut(mut text: String, most_octets: usize) -> String {
    if text.len() > most_octets {
        text.truncate(text.floor_char_boundary(most_octets));
        text.push('…');
    }
    text
}
