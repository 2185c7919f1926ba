//! An ACME server behind the gateway and clients in front of it, all of them real.

mod acme;
mod acme2certifier;
mod apache;
mod caddy;
mod certbot;
mod checking;
mod faults;
mod fuzzed;
mod issuing;
mod openbao;
mod overload;
pub(crate) mod pebble;
mod replacing;
mod uacme;
mod watching;
