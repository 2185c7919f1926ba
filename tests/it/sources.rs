//! Sources, with the real thing or real data at their other end.

mod consensus;
mod csv;
mod ct;
mod ct_commands;
mod ct_growth;
mod ct_log;
mod ct_polite;
mod folder;
mod forgetting;
mod fuzzed;
mod issuance;
mod log;
mod log_files;
mod log_odd;
mod newcomers;
mod peer;
mod probe;
mod probe_order;
mod prometheus;
mod ranking;
mod recipes;
mod sharing;
mod sql;
mod tokens;
mod trust;
