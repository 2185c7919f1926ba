//! The expected load: what assigned windows will bring, and unsteered load.

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
