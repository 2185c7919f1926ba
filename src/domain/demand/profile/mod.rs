//! The demand profile: how unsteered load is distributed over the week.
//!
//! [`Profile::learn`] divides a series into slots (`grid`). It fits the factors of the slots of the
//! day, the days of the week, and each slot of the week (`fit`), with robust means (`robust`), and
//! weighs the last against the product of the others (`weigh`). Slots shorter than an hour are shares
//! of longer ones (`nested`).

mod combine;
mod failing;
mod fit;
mod grid;
mod learn;
mod nested;
mod peaks;
mod rates;
mod robust;
mod shape;
mod version;
mod volume;
mod weigh;
mod widen;

pub use peaks::PeakChange;
pub use shape::{Basis, DaySlot, Evidence, Factor, Lent, Parts, Profile, Rate, Volume, WeekSlot};
