//! The status of a CA, from recent attempts, failures and incidents. Also its last hour, and its
//! week.

mod breach;
mod live;
pub mod quorum;
mod standing;
mod told;
mod weekly;

pub use breach::Breach;
pub use live::{LIVE_MINUTES, Live, LivePoint, LiveSeries};
pub use standing::{Evidence, Heard, Standing, Status};
pub use told::{Told, ToldAt, UPDATE_WITHIN_SECONDS};
pub use weekly::{IsoWeek, NoWeek, Weekly, WeeklyHour};
