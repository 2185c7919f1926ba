//! HTTP, against a real server on a free port.

mod admin;
mod bulk;
mod coding;
mod direct;
mod documents;
mod forecast;
mod giving_way;
mod holding;
mod host;
mod listen;
mod memory;
mod openapi;
mod problems;
mod registry;
mod renewal_info;
mod schemathesis;
mod script;
mod scripts;
mod serve;
mod status;
mod stopping;
mod summing;
mod tls;
mod turns;
