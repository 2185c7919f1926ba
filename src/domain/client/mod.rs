//! The behaviour of clients: when they wake, whether they follow their windows, when unsteered ones
//! come back, and when they are told to ask again.

pub mod fate;
pub mod following;
pub mod hearing;
pub mod retry_after;
pub mod returns;
pub mod schedule;
