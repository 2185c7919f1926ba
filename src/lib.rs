//! `offpeak` keeps a certificate authority's load flat: it learns which hours are busy, publishes
//! that, and answers ACME Renewal Info queries (RFC 9773) with windows in the quiet hours.
//!
//! Arrows point one way: `main → cli → {http, gateway, notices, publish, simulate, source, webhook} → {wire, ingest} → engine → store → domain`.

pub mod cli;
pub mod engine;
pub mod gateway;
pub mod http;
pub mod ingest;
pub mod notices;
pub mod publish;
pub mod source;
pub mod store;
pub mod telemetry;
pub mod webhook;
pub mod wire;

pub use offpeak_config as config;
pub use offpeak_domain as domain;
pub use offpeak_simulate as simulate;
