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

/// A 503 in Let's Encrypt's words: the service is busy, which is nobody's fault and no account
/// limit.
pub const BUSY: &str =
    r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#;
