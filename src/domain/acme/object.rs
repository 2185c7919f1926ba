//! What an answer's JSON is, by its structure (RFC 8555 section 7.1).

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::envelope::path_of;
use crate::time::Timestamp;

/// An answer's JSON object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Object {
    /// An account.
    Account,
    /// An authorization.
    Authorization(ObjectState),
    /// A challenge.
    Challenge(ObjectState),
    /// The directory.
    Directory(Directory),
    /// An order.
    Order(Order),
    /// An error's ACME type, such as `urn:ietf:params:acme:error:badNonce`.
    Problem(String),
    /// None of these.
    Other,
}

/// How far an authorization, a challenge or an order has come, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectState {
    /// It has failed for good: invalid, deactivated, expired or revoked.
    Failed,
    /// It is under way.
    Open,
    /// It has succeeded.
    Valid,
}

/// What an order says of itself (RFC 8555 section 7.1.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// How far it has come.
    pub state: ObjectState,
    /// When it expires, where it says so.
    pub expires: Option<Timestamp>,
    /// The URLs that belong to it alone: of its authorizations, to finalize it, of its certificate.
    pub urls: Vec<String>,
    /// The URL of its certificate, once there is one.
    pub certificate: Option<String>,
    /// The type of the error that ended it.
    pub error_type: Option<String>,
    /// What it replaces, where it says so (RFC 9773 section 5).
    pub replaces: Option<String>,
}

/// The paths of a directory's endpoints.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Directory {
    /// Each member that is an absolute URL: its name and the URL.
    pub urls: Vec<(String, String)>,
}

impl Directory {
    /// The endpoints that ACME names, with the path and query of each.
    pub fn endpoints(&self) -> impl Iterator<Item = (Endpoint, &str)> {
        self.urls.iter().filter_map(|(name, url)| {
            let endpoint = match name.as_str() {
                "keyChange" => Endpoint::KeyChange,
                "newAccount" => Endpoint::NewAccount,
                "newNonce" => Endpoint::NewNonce,
                "newOrder" => Endpoint::NewOrder,
                "revokeCert" => Endpoint::RevokeCert,
                _ => return None,
            };
            Some((endpoint, path_of(url)?))
        })
    }
}

impl Object {
    /// What this JSON is.
    #[must_use]
    pub fn of(json: &[u8]) -> Self {
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(json) else {
            return Self::Other;
        };
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let list = |name: &str| object.get(name).and_then(Value::as_array);
        if ["newNonce", "newAccount", "newOrder"]
            .iter()
            .all(|name| text(name).is_some())
        {
            return Self::Directory(directory(&object));
        }
        let state = text("status").map(ObjectState::named);
        if let (Some(state), Some(_), Some(authorizations)) =
            (state, text("finalize"), list("authorizations"))
        {
            return Self::Order(order(&object, state, authorizations));
        }
        if let (Some(state), Some(_), Some(_)) =
            (state, object.get("identifier"), list("challenges"))
        {
            return Self::Authorization(state);
        }
        if let (Some(state), Some(_), Some(_)) = (state, text("type"), text("url")) {
            return Self::Challenge(state);
        }
        if let Some(kind) = text("type")
            && kind.starts_with("urn:ietf:params:acme:error:")
        {
            return Self::Problem(kind.to_owned());
        }
        if state.is_some() && (list("contact").is_some() || text("orders").is_some()) {
            return Self::Account;
        }
        Self::Other
    }
}

impl ObjectState {
    fn named(status: &str) -> Self {
        match status {
            "invalid" | "deactivated" | "expired" | "revoked" => Self::Failed,
            "valid" => Self::Valid,
            _ => Self::Open,
        }
    }
}

fn directory(object: &Map<String, Value>) -> Directory {
    let urls = object.iter().filter_map(|(name, value)| {
        let url = value.as_str()?;
        path_of(url)?;
        Some((name.clone(), url.to_owned()))
    });
    Directory {
        urls: urls.collect(),
    }
}

fn order(object: &Map<String, Value>, state: ObjectState, authorizations: &[Value]) -> Order {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let certificate = text("certificate").map(str::to_owned);
    let own = [text("finalize"), certificate.as_deref()];
    let of_authorizations = authorizations.iter().filter_map(Value::as_str);
    let error = object.get("error").and_then(Value::as_object);
    let error_type = error.and_then(|error| error.get("type")?.as_str());
    Order {
        state,
        expires: text("expires").and_then(|expires| expires.parse().ok()),
        urls: own
            .into_iter()
            .flatten()
            .chain(of_authorizations)
            .map(str::to_owned)
            .collect(),
        certificate,
        error_type: error_type.map(str::to_owned),
        replaces: text("replaces").map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(json: &str, want: fn(&Object) -> bool) -> bool {
        want(&Object::of(json.as_bytes()))
    }

    /// Those of RFC 8555 section 7.1, shortened.
    #[test]
    fn objects_are_told_by_their_structure() {
        assert!(is(
            r#"{"status":"valid","contact":["mailto:a@example.org"],"orders":"https://ca/o"}"#,
            |object| *object == Object::Account
        ));
        assert!(is(
            r#"{"status":"valid","identifier":{"type":"dns","value":"x"},"challenges":[]}"#,
            |object| *object == Object::Authorization(ObjectState::Valid)
        ));
        assert!(is(
            r#"{"type":"http-01","url":"https://ca/c","status":"invalid","error":{}}"#,
            |object| *object == Object::Challenge(ObjectState::Failed)
        ));
        assert!(is(
            r#"{"type":"urn:ietf:params:acme:error:badNonce","status":400}"#,
            |object| *object == Object::Problem("urn:ietf:params:acme:error:badNonce".to_owned())
        ));
        for other in [
            "",
            "[]",
            "{}",
            r#"{"status":"valid"}"#,
            "<html>",
            r#"{"type":"about:blank"}"#,
        ] {
            assert_eq!(Object::of(other.as_bytes()), Object::Other, "{other}");
        }
    }

    #[test]
    fn an_order_tells_its_urls() {
        let json = r#"{"status":"valid","expires":"2026-01-20T14:09:07.99Z","identifiers":[],
            "authorizations":["https://ca/a/1"],"finalize":"https://ca/f",
            "certificate":"https://ca/c","replaces":"a.b"}"#;
        let Object::Order(order) = Object::of(json.as_bytes()) else {
            panic!("an order");
        };
        assert_eq!(order.state, ObjectState::Valid);
        assert_eq!(
            order.urls,
            ["https://ca/f", "https://ca/c", "https://ca/a/1"]
        );
        assert_eq!(order.certificate.as_deref(), Some("https://ca/c"));
        assert_eq!(order.replaces.as_deref(), Some("a.b"));
        assert!(order.expires.is_some());
    }

    #[test]
    fn a_directory_tells_its_endpoints() {
        let json = r#"{"newNonce":"https://ca/n","newAccount":"https://ca/a","newOrder":"https://ca/o?x",
            "meta":{"website":"https://elsewhere/"},"odd":"x"}"#;
        let Object::Directory(directory) = Object::of(json.as_bytes()) else {
            panic!("a directory");
        };
        let endpoints: Vec<_> = directory.endpoints().collect();
        assert!(endpoints.contains(&(Endpoint::NewOrder, "/o?x")));
        assert_eq!(endpoints.len(), 3);
        assert_eq!(directory.urls.len(), 3);
    }
}
