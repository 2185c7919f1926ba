//! When clients wake, and so when they will renew (`docs/polls.md`).
//!
//! Polls show a client's ticks ([`Polls`]), they show how its renewal falls around a window
//! ([`Response`]), and which instants of a band are its own to choose from ([`Schedule::choices`]).

mod record;
mod relative;
mod response;
mod ticks;

pub use record::{Meaning, Polls};
pub use response::{MOST_PIECES, Response};
pub use ticks::{Schedule, Tick};
