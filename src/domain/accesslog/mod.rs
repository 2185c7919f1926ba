//! Log lines of ACME servers and of the proxies in front of them, and the demand they show.
//!
//! New orders and finalizations are demand. The directory, nonces, polls and renewal information
//! are not; such lines are dropped after a look at their path.

mod agent;
mod boulder;
mod certificate;
mod combined;
mod format;
mod json;
mod line;
mod nginx;
mod pattern;
pub mod tally;
mod time;

pub use certificate::{Certificate, Shown};
pub use format::Format;
pub use line::{Request, Step, Unreadable};
pub use pattern::{Pattern, PatternError};
