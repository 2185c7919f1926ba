//! The load to come: what the windows given will bring, and what comes unsteered.

pub mod advice;
mod booking;
mod crowd;
pub mod forecast;
mod promised;
mod returns;
mod scheduled;
mod ticking;
mod unsteered;

pub use booking::{Booking, Cohort, Expected, Windows, usual_response};
pub use promised::Ledger;
pub use ticking::{ScheduleMix, TickShares, Ticks};
pub use unsteered::View;
