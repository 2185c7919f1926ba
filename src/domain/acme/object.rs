//! Recognises an answer's JSON by its structure (RFC 8555 section 7.1).

use serde_json::{Map, Value};

use super::endpoint::Endpoint;
use super::envelope::path_of;
use super::members::{Member, Members};
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
    /// A problem with an ACME error type, such as `urn:ietf:params:acme:error:badNonce`.
    Problem(String),
    /// None of these.
    Other,
}

/// The state of an authorization, challenge or order, as far as it is needed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectState {
    /// It has failed permanently: invalid, deactivated, expired or revoked.
    Failed,
    /// It is in progress.
    Open,
    /// It has succeeded.
    Valid,
}

/// The fields of an order (RFC 8555 section 7.1.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Order {
    /// Its state.
    pub state: ObjectState,
    /// When it expires, if given.
    pub expires: Option<Timestamp>,
    /// The URLs that belong to it alone: of its authorizations, its finalization and its
    /// certificate.
    pub urls: Vec<String>,
    /// The URL of its certificate, once there is one.
    pub certificate: Option<String>,
    /// The type of the error that ended it.
    pub error_type: Option<String>,
    /// The certificate that it replaces, if given (RFC 9773 section 5).
    pub replaces: Option<String>,
}

/// The paths of a directory's endpoints.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Directory {
    /// The name and URL of each member that is an absolute URL.
    pub urls: Vec<(String, String)>,
}

impl Directory {
    /// The endpoints defined by ACME, with the path and query of each.
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
    /// Recognises a JSON document.
    #[must_use]
    pub fn of(json: &[u8]) -> Self {
        let Some(members) = Members::of(json) else {
            return Self::Other;
        };
        if [&members.new_nonce, &members.new_account, &members.new_order]
            .iter()
            .all(|member| member.text().is_some())
        {
            return whole(json).map_or(Self::Other, |object| Self::Directory(directory(&object)));
        }
        let state = members.status.text().map(ObjectState::named);
        if let (Some(state), Some(_), Member::List) =
            (state, members.finalize.text(), &members.authorizations)
        {
            return whole(json).map_or(Self::Other, |object| Self::Order(order(&object, state)));
        }
        if let (Some(state), true, Member::List) =
            (state, members.identifier.is_there(), &members.challenges)
        {
            return Self::Authorization(state);
        }
        let kind = members.kind.text();
        if let (Some(state), Some(_), Some(_)) = (state, kind, members.url.text()) {
            return Self::Challenge(state);
        }
        if let Some(kind) = kind.filter(|kind| kind.starts_with("urn:ietf:params:acme:error:")) {
            return Self::Problem(kind.to_owned());
        }
        let is_list = matches!(members.contact, Member::List);
        if state.is_some() && (is_list || members.orders.text().is_some()) {
            return Self::Account;
        }
        Self::Other
    }
}

/// The whole object.
fn whole(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(json).ok()
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

fn order(object: &Map<String, Value>, state: ObjectState) -> Order {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let authorizations = object.get("authorizations").and_then(Value::as_array);
    let certificate = text("certificate").map(str::to_owned);
    let own = [text("finalize"), certificate.as_deref()];
    let of_authorizations = authorizations
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
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
    fn objects_are_recognised_by_their_structure() {
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
        assert!(is(
            r#"{"status":"valid","status":"invalid","identifier":{},"challenges":[]}"#,
            |object| *object == Object::Authorization(ObjectState::Failed)
        ));
        // With escapes, and with unknown members.
        assert!(is(
            r#"{"x":{"status":[1]},"st\u0061tus":"p\u0065nding","identifier":null,"challenges":[{"a":1},2.5],"y":true}"#,
            |object| *object == Object::Authorization(ObjectState::Open)
        ));
        assert!(is(
            r#"{"type":"urn:ietf:params:acme:error:bad\u004eonce","status":400}"#,
            |object| *object == Object::Problem("urn:ietf:params:acme:error:badNonce".to_owned())
        ));
        for other in [
            "",
            "[]",
            "{}",
            r#"{"status":"valid"}"#,
            "<html>",
            r#"{"type":"about:blank"}"#,
            r#"{"status":"valid","identifier":{},"challenges":[]"#,
        ] {
            assert_eq!(Object::of(other.as_bytes()), Object::Other, "{other}");
        }
    }

    #[test]
    fn the_urls_of_an_order_are_read() {
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
    fn the_endpoints_of_a_directory_are_read() {
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
