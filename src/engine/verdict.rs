//! The results for the records of a request or file.

use serde::{Deserialize, Serialize};

use crate::domain::certificate::certid::KeyIdentifier;

/// Why a record was rejected.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rejection {
    /// The name of the wrong field in the format.
    pub field: String,
    /// The reason.
    pub detail: String,
}

impl Rejection {
    /// A rejection of `field` because of `detail`.
    pub fn new(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            detail: detail.into(),
        }
    }
}

/// A rejection with its position.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LineError {
    /// The line in which the record begins, from 1. For DER, the number of the record.
    pub line: u64,
    /// The wrong field.
    pub field: String,
    /// The reason.
    pub detail: String,
}

/// The answer to a bulk request.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Records that are newly durable.
    pub accepted: u64,
    /// Records that were already stored unchanged.
    pub unchanged: u64,
    /// Records that were rejected.
    pub rejected: u64,
    /// The first [`Report::MOST_ERRORS`] rejections.
    pub errors: Vec<LineError>,
    /// The first [`Report::MOST_WARNINGS`] warnings: accepted records that are probably a mistake.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Unclaimed>,
}

/// An issuer that no configured CA claims, although some are configured, so that its certificates
/// were registered for the CA `default`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unclaimed {
    /// The issuer, in the notation of `issuers`.
    pub key_identifier: String,
    /// The number of its certificates in the request or file.
    pub certificates: u64,
    /// What to do about it.
    pub detail: String,
}

impl Unclaimed {
    /// A warning about some certificates of this issuer.
    #[must_use]
    pub fn new(issuer: &KeyIdentifier, certificates: u64) -> Self {
        let key_identifier = issuer.to_string();
        let detail = format!(
            "no [[ca]] claims the issuer {key_identifier}, so its certificates belong to the CA \
             \"default\"; if it is one of yours, add to its [[ca]]: issuers = \
             [\"{key_identifier}\"]"
        );
        Self {
            key_identifier,
            certificates,
            detail,
        }
    }
}

/// The result for a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is durable.
    Accepted,
    /// It was rejected.
    Rejected(Rejection),
    /// It was already stored unchanged.
    Unchanged,
}

impl Report {
    /// 100 errors show what is wrong with a file; a million would be too much to send.
    pub const MOST_ERRORS: usize = 100;

    /// A CA has a few issuers; ten show that a whole list is missing.
    pub const MOST_WARNINGS: usize = 10;

    /// Whether a record is stored, now or from before.
    #[must_use]
    pub const fn took_something(&self) -> bool {
        self.accepted > 0 || self.unchanged > 0
    }

    /// Counts the verdict on a record.
    pub fn add(&mut self, line: u64, verdict: Verdict) {
        match verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Rejected(Rejection { field, detail }) => {
                self.rejected += 1;
                if self.errors.len() < Self::MOST_ERRORS {
                    self.errors.push(LineError {
                        line,
                        field,
                        detail,
                    });
                }
            }
            Verdict::Unchanged => self.unchanged += 1,
        }
    }

    /// Counts certificates of an issuer that no CA claims.
    pub fn unclaimed(&mut self, issuer: &KeyIdentifier, certificates: u64) {
        let key_identifier = issuer.to_string();
        let is_full = self.warnings.len() >= Self::MOST_WARNINGS;
        let known = self
            .warnings
            .iter_mut()
            .find(|known| known.key_identifier == key_identifier);
        match known {
            Some(known) => known.certificates += certificates,
            None if is_full => {}
            None => self.warnings.push(Unclaimed::new(issuer, certificates)),
        }
    }
}
