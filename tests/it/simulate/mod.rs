//! The simulator's outer half: scenarios in, tables and pictures out.

mod arrivals;
mod closed;
mod command;
mod report;
mod scenario;
