//! The rows of what sources read.

use super::rows::{Part, Row, row};

/// What is read from logs, and from Certificate Transparency.
pub(super) const READ: &[Row] = &[
    row(
        Part::Import,
        "log_lines_other",
        "MB/s",
        "a combined log without a line about ACME",
    )
    .at_least(500.0),
    row(Part::Import, "log_lines_wc", "MB/s", "`wc -l` on that log"),
    row(
        Part::Import,
        "log_lines_ripgrep",
        "MB/s",
        "ripgrep for what tells an order on that log",
    ),
    row(
        Part::Import,
        "log_lines_acme",
        "lines/s",
        "a combined log of new orders, counted by the minute",
    )
    .at_least(1e6),
    row(
        Part::Import,
        "ct_entries",
        "entries/s",
        "entries of full tiles, counted by issuer and minute",
    )
    .at_least(150_000.0),
];
