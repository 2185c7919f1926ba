//! Instants and spans in whole seconds of UTC, and amounts over time.

mod instant;
pub mod timeline;

pub use instant::{DAY, HOUR, MINUTE, Span, TimeError, Timestamp, WEEK};
