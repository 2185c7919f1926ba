//! Notices that a CA publishes elsewhere: revoked certificates, and maintenance.

mod feed;
mod fetch;
pub mod maintenance;
pub mod revocations;
