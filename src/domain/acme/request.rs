//! The purpose of a request, from its payload (RFC 8555 sections 7.3 to 7.6).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::certificate::names::{Names, canonical_name};

/// The purpose of a payload.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Intent {
    /// To fetch a resource (POST-as-GET).
    Get,
    /// To finalize an order: the payload contains a CSR.
    Finalize,
    /// A new order.
    NewOrder(Box<NewOrderPayload>),
    /// To change the account's key: the payload is itself a signed envelope.
    KeyChange,
    /// To revoke this certificate, in DER.
    Revoke(Vec<u8>),
    /// Anything else: an account, a challenge, a deactivation.
    Other,
}

/// The fields of a new order (RFC 8555 section 7.4, RFC 9773 section 5).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NewOrderPayload {
    /// Its names.
    pub names: Names,
    /// The CertID of the certificate that it replaces, as the client wrote it.
    pub replaces: Option<String>,
}

#[derive(Deserialize)]
struct Identifier {
    value: String,
}

impl Intent {
    /// The purpose of this payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        if payload.is_empty() {
            return Self::Get;
        }
        let Ok(payload) = serde_json::from_slice::<Map<String, Value>>(payload) else {
            return Self::Other;
        };
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        if let Some(order) = new_order(&payload) {
            return Self::NewOrder(Box::new(order));
        }
        if text("csr").is_some() {
            return Self::Finalize;
        }
        if let Some(certificate) = text("certificate") {
            use base64::Engine as _;
            use base64::engine::general_purpose::URL_SAFE_NO_PAD;
            return match URL_SAFE_NO_PAD.decode(certificate) {
                Ok(der) => Self::Revoke(der),
                Err(_) => Self::Other,
            };
        }
        let is_envelope = ["protected", "payload", "signature"]
            .iter()
            .all(|name| text(name).is_some());
        if is_envelope {
            Self::KeyChange
        } else {
            Self::Other
        }
    }
}

fn new_order(payload: &Map<String, Value>) -> Option<NewOrderPayload> {
    let identifiers = payload.get("identifiers")?.clone();
    let identifiers: Vec<Identifier> = serde_json::from_value(identifiers).ok()?;
    let names: Names = identifiers
        .iter()
        .map(|identifier| canonical_name(&identifier.value))
        .collect();
    let replaces = payload.get("replaces").and_then(Value::as_str);
    (!names.is_empty()).then(|| NewOrderPayload {
        names,
        replaces: replaces.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_in_a_payload_is_read() {
        for (payload, want) in [
            ("", Intent::Get),
            ("{}", Intent::Other),
            ("nonsense", Intent::Other),
            (r#"{"csr":"AQ"}"#, Intent::Finalize),
            (
                r#"{"certificate":"AQID","reason":1}"#,
                Intent::Revoke(vec![1, 2, 3]),
            ),
            (r#"{"certificate":"=="}"#, Intent::Other),
            (
                r#"{"protected":"a","payload":"b","signature":"c"}"#,
                Intent::KeyChange,
            ),
            (r#"{"identifiers":[]}"#, Intent::Other),
            (r#"{"identifiers":[7]}"#, Intent::Other),
            (
                r#"{"identifiers":[{"type":"dns","value":"A.example"}],"replaces":"a.b"}"#,
                Intent::NewOrder(Box::new(NewOrderPayload {
                    names: std::iter::once("a.example".to_owned()).collect(),
                    replaces: Some("a.b".to_owned()),
                })),
            ),
        ] {
            assert_eq!(Intent::of(payload.as_bytes()), want, "{payload}");
        }
    }
}
