//! The demand profile: how unsteered load is spread over the week.
//!
//! [`Profile::learn`] cuts a series into slots (`grid`), finds the factors of the slots of the
//! day and of the days of the week, and what each slot of the week has of its own (`fit`),
//! robustly (`robust`), and weighs the two (`weigh`). Slots shorter than an hour are shares of the
//! longer ones (`nested`).

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
