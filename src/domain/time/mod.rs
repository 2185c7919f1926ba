//! Instants and spans in whole seconds of UTC, and amounts over time.

mod instant;
pub mod timeline;

pub use instant::{DAY, HOUR, MINUTE, Span, TimeError, Timestamp, WEEK};

/// The time of day at this second of it, as `HH:MM`. The end of the day is `00:00`.
#[must_use]
pub fn clock(second: i64) -> String {
    let minutes = second.rem_euclid(DAY) / MINUTE;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
