//! Draws a time by the weights of a published ranking, for callers without ARI.

mod allowed;
mod answer;
mod draw;
mod read;

pub(crate) use allowed::open_within;
pub use allowed::{ClockSpan, clock_spans};
pub use answer::Format;
pub use draw::{BestTime, Chance, NoTime, Question, SLOT_MINUTES, USUAL_SECONDS};
pub use read::{Ranking, Slot, Unreadable};
