//! Instants and spans, in whole seconds of UTC, and what is counted along them.

mod instant;
pub mod timeline;

pub use instant::{DAY, HOUR, MINUTE, Span, TimeError, Timestamp, WEEK};
