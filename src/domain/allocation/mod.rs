//! Where a window goes: the band, the load that is expected in it, the table of chances that levels it,
//! and the draw. `docs/allocation.md` has the mathematics.

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
