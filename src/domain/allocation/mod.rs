//! Chooses each certificate's window: the band, the expected load in it, the table of slot
//! probabilities that levels this load, and the random draw. `docs/allocation.md` has the mathematics.

pub mod allocator;
mod arrivals;
pub mod band;
mod closings;
mod doubt;
mod draw;
mod early;
pub mod experiment;
pub(crate) mod level;
pub(crate) mod opening;
pub mod plan;
mod rates;
pub mod slots;
pub mod table;
pub mod window;
