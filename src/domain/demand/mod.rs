//! Observed load and what is learned from it: observations, their sums by the minute, the demand
//! profile, planned events, and retries.

pub mod announced;
pub mod backtest;
pub mod breakdown;
pub mod counter;
pub mod knowledge;
pub mod observation;
pub mod onset;
pub mod permission;
pub mod profile;
pub mod retries;
pub mod series;
