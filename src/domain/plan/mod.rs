//! Plans a renewal time for each certificate of a fleet, level over the expected load, within
//! deadlines and a CA's limits (`docs/plan.md`).
//!
//! The room in each slot comes from a published ranking or a CA's own forecast ([`Demand`]). Over
//! it, `curve` draws the curve of certificates done whose highest slope is minimal. Along the
//! curve, each second takes the certificate with the earliest deadline whose token buckets have a
//! token (`dispatch`, `queue`, `bucket`). If buckets delay a certificate beyond its deadline, the
//! curve is raised before it; in the end everything comes as early as possible. What still cannot
//! be done is refused, with the limit that prevents it (`refusal`).

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
pub use document::{Addressee, Origin, RefusalDocument, seed};
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
