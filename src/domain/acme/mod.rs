//! Objects of ACME (RFC 8555), recognised by their structure.

mod endpoint;
mod envelope;
mod members;
mod object;
mod request;
mod splice;

pub use endpoint::Endpoint;
pub use envelope::{Algorithm, Envelope, Jwk, Signer};
pub use object::{Directory, Object, ObjectState, Order};
pub use request::{Intent, NewOrderPayload};
pub use splice::{with_member, with_text};

/// The 503 in the words of Let's Encrypt: busy, which is nobody's fault and no limit of an account.
pub const BUSY: &str =
    r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#;
