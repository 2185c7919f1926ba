//! Files and requests that count once.

/// How far a file has been imported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportProgress {
    /// The SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the file that are durable.
    pub offset: u64,
    /// Lines (or records) before `offset`.
    pub line: u64,
    /// Whether that is the whole file.
    pub complete: bool,
    /// The report so far, as JSON.
    pub report: String,
}

/// What makes a request or a file count once.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum BatchKey {
    /// A file, by its SHA-256; kept as long as its observations.
    File([u8; 32]),
    /// A request, by its `Idempotency-Key`; kept for 7 days.
    Request(String),
}

/// A batch of observations that has been counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClosedBatch {
    /// The SHA-256 of the body.
    pub sha256: [u8; 32],
    /// The answer that was given, as JSON.
    pub report: String,
}

/// How a batch was closed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Closing {
    /// It counts from now on.
    Counted,
    /// Another with the same key was closed first; nothing of this one is kept.
    Repeated(ClosedBatch),
}
