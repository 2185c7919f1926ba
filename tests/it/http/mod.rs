//! HTTP, against a real server on a free port.

mod admin;
mod documents;
mod forecast;
mod openapi;
mod problems;
mod registry;
mod renewal_info;
mod schemathesis;
mod serve;
