//! Notices of a CA in other places: the certificates that it has revoked, and its maintenance.

mod feed;
mod fetch;
pub mod maintenance;
pub mod revocations;
