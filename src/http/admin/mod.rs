//! The answers of the admin listener, one file per resource, and its authentication.

pub(super) mod advice;
pub(super) mod authority;
pub(super) mod certificates;
pub(super) mod experiments;
pub(super) mod export;
pub(super) mod guesses;
pub(super) mod health;
pub(super) mod incident_members;
pub(super) mod incidents;
pub(super) mod observations;
pub(super) mod operator;
pub(super) mod plan;
pub(super) mod planned;
pub(super) mod publications;
pub(super) mod rebalances;
pub(super) mod replaced;
pub(super) mod revoked;
pub(super) mod subject;
pub(super) mod uncached;
