//! Incidents: the record, the life cycle from draft to closed, and the plan for the windows that
//! move. `docs/incidents.md` has the rules and the mathematics.
//!
//! [`Planner`] counts the affected certificates in a first pass (`rule` decides where each may go),
//! `spread` distributes the counts over the `slots`, and [`Plan`] assigns each its window in a
//! second pass.

mod check;
mod closing;
mod context;
mod life;
mod plan;
mod planner;
mod record;
mod refusal;
mod rule;
mod slots;
mod spread;

pub use check::Invalid;
pub use closing::learning_excluded;
pub use context::PlanningContext;
pub use life::NotAllowed;
pub use plan::{HourLoad, Plan};
pub use planner::{Counted, Planner};
pub use record::{Incident, Kind, State, Step};
pub use refusal::Refusal;
