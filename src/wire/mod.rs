//! The basis for serving HTTP: sockets, TLS and connections; bodies, queries and problems; entity
//! tags and content codings. It does not depend on handlers or on the gateway.

mod app;
pub(crate) mod body;
pub(crate) mod coding;
pub(crate) mod conditional;
pub(crate) mod host;
pub(crate) mod pieces;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod reply;
mod serve;
pub(crate) mod server_header;
pub(crate) mod unpack;

pub use app::App;
pub(crate) use app::{Answer, Responder, Sender, Shortcut};
pub(crate) use serve::Interim;
pub use serve::{
    InheritedSockets, Limits, Listener, Neighbour, Neighbourhood, Stop, Tls, TlsError, serve,
};
