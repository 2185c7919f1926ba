//! Answers about a certificate, about a CA, and about the expected load.

pub(super) mod explanation;
pub(super) mod forecast;
pub(super) mod from_store;
pub(super) mod lookups;
pub(super) mod renewal_info;
pub(super) mod standing;
