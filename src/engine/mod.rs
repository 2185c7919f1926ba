//! The running service: the index and the ledger in memory, the model, the tables, the change feed,
//! and the current documents.

mod answer;
mod blocking;
pub mod clock;
mod error;
mod index;
pub mod learn;
mod moves;
mod presence;
mod publication;
mod register;
mod replicas;
mod service;
mod start;
mod state;
mod tasks;
pub mod verdict;

pub use answer::renewal_info::{Miss, RenewalInfo, Sought};
pub use answer::standing::{CaStanding, meant};
pub use error::EngineError;
pub use index::Index;
pub use learn::board::{SilentSource, SourceReport, SourceState};
pub use learn::cohorts::{CohortReport, CohortsReport, Renewals};
pub use learn::shadow::Shadowed;
pub use moves::incidents::IncidentError;
pub use moves::incidents::{Added, Amended, Foreseen, Intent, Progress};
pub use moves::rebalance::Rebalance;
pub use publication::exporting::{Export, ExportCursor};
pub use publication::publisher::Readiness;
pub use register::step::{Step, Stored};
pub use service::Engine;
