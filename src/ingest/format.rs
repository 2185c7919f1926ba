//! Chooses the decoder for a body or file.

use std::path::Path;

use super::decode::Decode;
use super::error::UnknownMediaType;
use super::fields::Unknown;
use super::pem::{self, Wanted};
use super::{certificate, observation};
use crate::domain::certificate::Submission;
use crate::domain::demand::observation::Observation;

/// The formats of certificates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CertificateFormat {
    /// With a header: `cert_id`, or `issuer` and `serial`, with `not_before,not_after` and
    /// optionally `issued_at`.
    Csv,
    /// One certificate in DER.
    Der,
    /// DER or PEM, detected by content.
    DerOrPem,
    /// One JSON object.
    Json,
    /// One JSON object per line.
    Ndjson,
    /// All certificates of a PEM text except those of CAs.
    Pem,
    /// The first certificate of a PEM text (RFC 8555 section 9.1). DER is accepted too and detected
    /// by content.
    PemChain,
}

/// The formats of observations.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObservationFormat {
    /// With a header; names in `snake_case`.
    Csv,
    /// One JSON object.
    Json,
    /// One JSON object per line.
    Ndjson,
}

/// The length of a file's beginning used to detect its format: several times the text that `openssl
/// x509 -text` writes before a certificate.
pub(super) const HEAD_OCTETS: usize = 64 << 10;

impl CertificateFormat {
    /// The supported media types, for error messages.
    pub const MEDIA_TYPES: &'static str = "application/x-ndjson, text/csv, \
        application/pem-certificate-chain, application/pkix-cert, application/x-pem-file, \
        application/json";

    /// The format of a `Content-Type`; parameters are ignored.
    ///
    /// # Errors
    /// [`UnknownMediaType`] if it is none of [`Self::MEDIA_TYPES`].
    pub fn of_media_type(content_type: &str) -> Result<Self, UnknownMediaType> {
        match essence(content_type).as_str() {
            "application/json" => Ok(Self::Json),
            "application/pem-certificate-chain" => Ok(Self::PemChain),
            "application/pkix-cert" | "application/x-pem-file" => Ok(Self::DerOrPem),
            "application/x-ndjson" => Ok(Self::Ndjson),
            "text/csv" => Ok(Self::Csv),
            _ => Err(UnknownMediaType::new(content_type, Self::MEDIA_TYPES)),
        }
    }

    /// The format of a file, detected by its beginning, otherwise by its name.
    #[must_use]
    pub fn of_file(path: &Path, head: &[u8]) -> Option<Self> {
        let text = head
            .strip_prefix("\u{feff}".as_bytes())
            .unwrap_or(head)
            .trim_ascii_start();
        if pem::is_der(head) {
            Some(Self::Der)
        } else if text.starts_with(b"{") {
            Some(Self::Ndjson)
        } else if contains(text, b"-----BEGIN ") {
            Some(Self::Pem)
        } else {
            Self::of_name(path).or_else(|| {
                let header = text.split(|octet| *octet == b'\n').next()?;
                let has = |name| contains(header, name);
                (has(b"cert_id") || has(b"serial")).then_some(Self::Csv)
            })
        }
    }

    fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "cer" | "crt" | "der" | "pem" => Some(Self::DerOrPem),
            "csv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// A decoder for one body that rejects unknown names.
    #[must_use]
    pub fn decoder(self) -> Box<dyn Decode<Submission>> {
        self.decoder_with(Unknown::Refused)
    }

    /// A decoder for one body.
    #[must_use]
    pub fn decoder_with(self, unknown: Unknown) -> Box<dyn Decode<Submission>> {
        match self {
            Self::Csv => certificate::csv(unknown),
            Self::Der => certificate::encoded(pem::der()),
            Self::DerOrPem => certificate::encoded(pem::der_or_pem(Wanted::Every)),
            Self::Json => certificate::json(unknown),
            Self::Ndjson => certificate::ndjson(unknown),
            Self::Pem => certificate::encoded(pem::pem(Wanted::Every)),
            Self::PemChain => certificate::encoded(pem::der_or_pem(Wanted::First)),
        }
    }
}

impl ObservationFormat {
    /// The supported media types, for error messages.
    pub const MEDIA_TYPES: &'static str = "application/x-ndjson, text/csv, application/json";

    /// The format of a `Content-Type`; parameters are ignored.
    ///
    /// # Errors
    /// [`UnknownMediaType`] if it is none of [`Self::MEDIA_TYPES`].
    pub fn of_media_type(content_type: &str) -> Result<Self, UnknownMediaType> {
        match essence(content_type).as_str() {
            "application/json" => Ok(Self::Json),
            "application/x-ndjson" => Ok(Self::Ndjson),
            "text/csv" => Ok(Self::Csv),
            _ => Err(UnknownMediaType::new(content_type, Self::MEDIA_TYPES)),
        }
    }

    /// A decoder for one body that rejects unknown names.
    #[must_use]
    pub fn decoder(self) -> Box<dyn Decode<Observation>> {
        self.decoder_with(Unknown::Refused)
    }

    /// A decoder for one body.
    #[must_use]
    pub fn decoder_with(self, unknown: Unknown) -> Box<dyn Decode<Observation>> {
        match self {
            Self::Csv => observation::csv(unknown),
            Self::Json => observation::json(unknown),
            Self::Ndjson => observation::ndjson(unknown),
        }
    }
}

/// The media type without its parameters, in lower case (RFC 9110 section 8.3.1).
pub(super) fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim_ascii().to_ascii_lowercase()
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
