//! The status of a CA, from recent attempts, failures and incidents. Also its last hour, and its
//! week.

mod breach;
mod live;
mod public_incident;
pub mod quorum;
mod standing;
mod weekly;

pub use breach::Breach;
pub use live::{LIVE_MINUTES, Live, LivePoint, LiveSeries};
pub use public_incident::{PublicIncident, PublicIncidentAt, UPDATE_WITHIN_SECONDS};
pub use standing::{Evidence, ReportingSource, Standing, Status};
pub use weekly::{IsoWeek, NoWeek, Weekly, WeeklyHour};
