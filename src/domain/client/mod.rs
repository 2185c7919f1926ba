//! Client behaviour: when clients wake, whether they follow their windows, when the unsteered ones
//! return, and what `Retry-After` they get.

pub mod fate;
pub mod following;
pub mod reach;
pub mod retry_after;
pub mod returns;
pub mod schedule;
