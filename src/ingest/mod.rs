//! Ingest: decodes bytes into records, passes records to the engine, and reports the result of
//! each.
//!
//! `format` chooses the decoder for a body or file; `decode` and `lines` are its frame; `csv`,
//! `json`, `pem` and `x509` are the notations; `certificate` and `observation` are the records.
//! `register`, `observe` and `incident_members` take a stream, `import` and `forget` a file.

#[cfg(test)]
mod body_tests;
mod certificate;
mod chain;
mod csv;
mod decode;
mod error;
#[cfg(test)]
mod fake;
mod fields;
mod file;
pub mod fleet;
mod forget;
mod format;
mod hexadecimal;
mod import;
#[cfg(test)]
mod import_tests;
mod incident_members;
mod json;
mod kept;
mod lines;
mod named;
mod namesakes;
mod observation;
mod observe;
mod pem;
mod register;
mod rejected;
mod watch;
pub mod x509;

pub use certificate::{authorities, identified};
pub use chain::{Issued, first_of_chain, only_certificate};
pub use decode::{Decode, Item};
pub use error::{IngestError, UnknownMediaType};
pub use fields::Unknown;
pub use file::{KnownFile, pem_or_der};
pub use forget::{Forgotten, forget};
pub use format::{CertificateFormat, ObservationFormat};
pub use import::import;
pub use incident_members::{NamedReport, name_certificates};
pub use lines::Position;
pub use named::NamedFormat;
pub use observe::{Observed, observe};
pub use register::register;
pub use watch::Watch;
