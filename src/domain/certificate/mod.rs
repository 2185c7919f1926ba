//! A certificate: its identifier (RFC 9773 section 4.1), its dates, its row in the store, and the
//! keyed hashes used for draws.

pub mod certid;
pub mod hash;
pub mod names;
mod octets;
mod row;
mod validity;

pub use row::{Basis, Cause, Certificate, Submission, Successor};
pub use validity::{SHORT_LIFE_SECONDS, Validity, life_class, own_rule_seconds, reserve_seconds};
