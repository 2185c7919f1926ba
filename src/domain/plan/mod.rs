//! A time for each certificate of a fleet: level over the room that the hours ahead have, within
//! deadlines and under the limits of a CA (`docs/plan.md`).
//!
//! The room of each slot comes from a published ranking or a CA's own forecast ([`Demand`]). Over
//! it a curve of certificates done is drawn whose highest slope is the lowest there is (`curve`).
//! Along the curve each second takes whoever has the earliest deadline among those whose token
//! buckets have a token (`dispatch`, `queue`, `bucket`). Where buckets hold somebody back beyond a
//! deadline, the curve is raised before it, in the end everything comes as early as can be; what
//! cannot be done even so is refused, with what stands in the way (`refusal`).

mod advice;
mod bounds;
mod bucket;
mod catalogue;
mod curve;
mod demand;
mod dispatch;
mod document;
mod jobs;
mod planner;
mod queue;
mod refusal;
mod terms;

pub use advice::{Advice, Waiting};
pub use bounds::Bounds;
pub use catalogue::{Catalogue, CatalogueError, Limit, Requests, Scope};
pub use demand::Demand;
pub use document::{Addressee, Origin, Told, seed};
pub use planner::{Plan, PlannedSlot, plan};
pub use refusal::{Change, Refusal};
pub use terms::{
    MOST_CERTIFICATES, MOST_SECONDS_AHEAD, Renewal, Terms, USUAL_ORDER_SECONDS,
    USUAL_WITHIN_SECONDS,
};

#[cfg(test)]
mod deadline_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
