//! Lines of the logs of ACME servers and of what stands before them: what each says of demand.
//!
//! New orders and finalizations are demand; the directory, nonces, polls and renewal information are not,
//! and their lines are left after a look at their path.

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
