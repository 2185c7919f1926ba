//! Incidents (`docs/incidents.md`): what is known of one, its life from draft to closed, and the plan
//! of the windows that it moves. `docs/incidents.md` has the rules and the mathematics.
//!
//! [`Planner`] counts the affected certificates in a first pass (`rule` says where each may go),
//! `spread` fills them over the `slots`, and [`Plan`] gives each its window in a second pass.

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
