//! The simulator: scenarios in, what the rules make of them, tables and pictures out.

mod arrivals;
mod bounds;
mod clients;
mod closed;
mod command;
mod deployment;
mod floor;
mod levelling;
mod midnight;
mod replay;
mod report;
mod rules;
mod runs;
mod scenario;
mod trouble;
