//! When clients wake, and therefore when they will renew (`docs/polls.md`).
//!
//! Polls reveal a client's ticks ([`Polls`]). From these follow how its renewals are distributed
//! around a window ([`Response`]), and which instants of a band it can renew at
//! ([`Schedule::choices`]).

mod record;
mod relative;
mod response;
mod ticks;

pub use record::{Meaning, Polls};
pub use response::{MOST_PIECES, Response};
pub use ticks::{Schedule, Tick};
