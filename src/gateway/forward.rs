//! The headers of requests to the upstream and of answers to clients.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that concern one connection and not the message (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The clients and proxies that a request came through.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the upstream is told about the client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'a> {
    /// The host named by the client.
    pub(super) host: &'a HeaderValue,
    /// The scheme under which clients reach us.
    pub(super) scheme: &'static str,
    /// The sender's address; `None` on a Unix socket.
    pub(super) from: Option<IpAddr>,
    /// Whether its headers about earlier hops are trusted.
    pub(super) trusted: bool,
}

/// A request's headers for the upstream.
pub(super) fn to_upstream(headers: HeaderMap, hop: Hop<'_>) -> HeaderMap {
    let mut forwarded = without_hop_by_hop(headers);
    // Answers are inspected here, so they must not be compressed.
    forwarded.remove(header::ACCEPT_ENCODING);
    // hyper has already handled it.
    forwarded.remove(header::EXPECT);
    forwarded.remove(header::FORWARDED);
    forwarded.insert(header::HOST, hop.host.clone());
    forwarded.insert(X_FORWARDED_PROTO, HeaderValue::from_static(hop.scheme));
    let forwarded_for = forwarded.remove(X_FORWARDED_FOR).filter(|_| hop.trusted);
    let forwarded_for = forwarded_for
        .as_ref()
        .and_then(|forwarded_for| forwarded_for.to_str().ok());
    let from = hop.from.map(|from| from.to_canonical().to_string());
    let chain: Vec<&str> = forwarded_for.into_iter().chain(from.as_deref()).collect();
    if let Ok(chain) = HeaderValue::try_from(chain.join(", "))
        && !chain.is_empty()
    {
        forwarded.insert(X_FORWARDED_FOR, chain);
    }
    forwarded
}

/// An answer's headers for the client.
pub(super) fn to_client(headers: HeaderMap) -> HeaderMap {
    without_hop_by_hop(headers)
}

/// A copy of the headers. As received, they are slices of the connection's read buffer of 8 kB or
/// more, which could not be freed while they are kept.
pub(super) fn detached(headers: HeaderMap) -> HeaderMap {
    let mut headers = headers;
    for value in headers.values_mut() {
        *value = detached_value(value);
    }
    headers
}

/// A copy of the value in its own memory.
pub(super) fn detached_value(value: &HeaderValue) -> HeaderValue {
    // The octets of a valid value are valid.
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

fn without_hop_by_hop(headers: HeaderMap) -> HeaderMap {
    let mut headers = headers;
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    for name in named {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        pairs.collect()
    }

    fn hop(host: &HeaderValue, trusted: bool) -> Hop<'_> {
        Hop {
            host,
            scheme: "https",
            from: Some("192.0.2.7".parse().unwrap()),
            trusted,
        }
    }

    #[test]
    fn what_concerns_the_connection_stays_behind() {
        let host = HeaderValue::from_static("acme.example");
        let headers = map(&[
            ("connection", "close, X-Own"),
            ("x-own", "1"),
            ("transfer-encoding", "chunked"),
            ("accept-encoding", "br"),
            ("content-type", "application/jose+json"),
            ("user-agent", "certbot"),
        ]);
        let forwarded = to_upstream(headers, hop(&host, false));
        let want = map(&[
            ("content-type", "application/jose+json"),
            ("user-agent", "certbot"),
            ("host", "acme.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "192.0.2.7"),
        ]);
        assert_eq!(forwarded, want);
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let host = HeaderValue::from_static("acme.example");
        let headers = map(&[
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=203.0.113.9"),
        ]);
        let of = |trusted| to_upstream(headers.clone(), hop(&host, trusted));
        assert_eq!(of(true)["x-forwarded-for"], "203.0.113.9, 192.0.2.7");
        assert_eq!(of(false)["x-forwarded-for"], "192.0.2.7");
        assert_eq!(of(false)["x-forwarded-proto"], "https");
        assert!(!of(true).contains_key("forwarded"));
    }
}
