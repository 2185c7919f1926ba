//! Objects of ACME (RFC 8555), told by their structure.

mod endpoint;
mod envelope;
mod names;
mod object;
mod request;
mod splice;

pub use endpoint::{BUSY, Endpoint};
pub use envelope::{Algorithm, Envelope, Jwk, Signer};
pub use names::{Names, canonical_name};
pub use object::{Directory, Object, ObjectState, Order};
pub use request::{Intent, NewOrderPayload};
pub use splice::{with_member, with_text};
