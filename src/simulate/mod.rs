//! The simulator (design section 8): a population of clients on a virtual clock, under several
//! rules, and what it did to the CA's load.

pub mod outcome;
pub mod report;
pub mod scenario;
