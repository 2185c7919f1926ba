//! What clients do: when they wake, whether they follow their windows, when those come back that nobody
//! steers, and when they are told to ask again.

pub mod fate;
pub mod following;
pub mod hearing;
pub mod retry_after;
pub mod returns;
pub mod schedule;
