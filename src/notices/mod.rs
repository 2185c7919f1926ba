//! What a CA says elsewhere, followed from there: which certificates it has revoked, and when it will be
//! closed for maintenance.

mod feed;
mod fetch;
pub mod maintenance;
pub mod revocations;
