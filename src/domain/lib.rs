//! The core: pure functions and types. No I/O, nothing async, no clock, no environment; time is
//! an argument.

pub mod accesslog;
pub mod acme;
pub mod admission;
pub mod allocation;
pub mod certificate;
pub mod client;
pub mod demand;
pub mod ledger;
pub mod math;
pub mod moves;
pub mod plan;
pub mod policy;
pub mod publication;
pub mod status;
pub mod time;
pub mod transparency;
