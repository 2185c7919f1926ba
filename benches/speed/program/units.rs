//! What is counted, and in what.

pub(super) const REQUESTS: &str = "requests/s";
pub(super) const MICROS: &str = "µs";
pub(super) const MILLIS: &str = "ms";
pub(super) const SECONDS: &str = "s";
pub(super) const RATIO: &str = "ratio";
pub(super) const INSTRUCTIONS: &str = "instructions/request";
pub(super) const ROWS_A_SECOND: &str = "certificates/s";
