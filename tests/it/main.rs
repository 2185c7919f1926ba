//! Integration tests: one crate, a module for each thing under test.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what tests share is not marked as a test, but is as free as they are"
)]

mod allocation;
mod architecture;
mod best_time;
mod browser;
mod capacity;
mod carryover;
mod check_config;
mod clients;
mod command_line;
mod config;
mod counting;
mod crash;
mod database_server;
mod decoding;
mod decoding_cuts;
mod decoding_observations;
mod deploy;
mod der;
mod engine;
mod examples;
mod experiments;
mod faults;
mod forecast;
mod gateway;
mod gcs;
mod http;
mod importing;
mod incident_plan;
mod incidents;
mod issuance;
mod keeping;
mod load;
mod logging;
mod nginx;
mod odd_certificates;
mod operating;
mod operator;
mod page;
mod plan;
mod planned;
mod polling;
mod pooler;
mod process;
mod profile;
mod profile_real;
mod publish;
mod publish_azure;
mod publish_google;
mod publish_remote;
mod publish_signed;
mod ranking;
mod real_certificates;
mod reconcile;
mod reloading;
mod returns;
mod revocation_lists;
mod rfc9773;
mod second_opinion;
mod series;
mod server;
mod sharded;
mod simulate;
mod sources;
mod speed;
mod status_pages;
mod store;
mod support;
mod terminal;
mod tools;
mod webhooks;
mod wire;
