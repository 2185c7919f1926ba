//! What became of the records of one request or file.

use serde::{Deserialize, Serialize};

/// Why one record was not taken.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Rejection {
    /// The field at fault, as the format spells it.
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

/// A rejection and where it stands.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LineError {
    /// The line of the body or file where the record begins, from 1; for DER the number of the
    /// record.
    pub line: u64,
    /// The field at fault.
    pub field: String,
    /// The reason.
    pub detail: String,
}

/// The answer to a bulk request.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Report {
    /// Records that are durable now and were not before.
    pub accepted: u64,
    /// Records that were known as they are.
    pub unchanged: u64,
    /// Records that were not taken.
    pub rejected: u64,
    /// The first [`Report::MOST_ERRORS`] rejections.
    pub errors: Vec<LineError>,
}

/// What became of one record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is durable.
    Accepted,
    /// It was not taken.
    Rejected(Rejection),
    /// It was known as it is.
    Unchanged,
}

impl Report {
    /// 100 errors tell what is wrong with a file; a million would be another file.
    pub const MOST_ERRORS: usize = 100;

    /// Counts one record's verdict.
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
}
