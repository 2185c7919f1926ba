//! Rebalancing: moves the fewest windows that make the forecast level again.

mod draft;
mod flow;
mod group;
mod outlook;
mod plan;
mod report;

pub use draft::{MoveTable, move_tables};
pub use group::{Eligible, Group, Kept, Tally, group_of};
pub use outlook::{Outlook, SlotOutlook, drift, in_closed, outlook};
pub use plan::{AUTO_ABOVE_DRIFT, Plan, plan};
pub use report::{KeptCounts, Moves, RebalanceReport, SlotReport, Why};
