//! The core: pure functions and types. No I/O, nothing async, no clock, no environment; time is
//! an argument.

pub mod allocation;
pub mod band;
pub mod books;
pub mod ca;
pub mod capacity;
pub mod certid;
pub mod certificate;
pub mod cohort;
pub mod distribution;
pub mod documents;
pub mod hash;
pub mod incident;
pub mod ledger;
mod level;
pub mod number;
pub mod observation;
pub mod polling;
pub mod profile;
pub mod ranking;
pub mod rebalance;
pub mod report;
pub mod series;
pub mod shadow;
pub mod table;
pub mod time;
pub mod timeline;
pub mod waterfill;
pub mod weights;
pub mod window;
