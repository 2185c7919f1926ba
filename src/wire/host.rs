//! The host that a request is for: `Host` (RFC 9112 section 3.2).

use axum::http::{Request, Version, header};

/// Whether a request names its host exactly once. HTTP/1.1 requires it. In no version may it name
/// two, because a proxy may have used the other one.
pub(crate) fn is_addressed<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => request.version() != Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_host() {
        for (version, hosts, addressed) in [
            (Version::HTTP_11, &[][..], false),
            (Version::HTTP_11, &["a"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_10, &["a", "b"], false),
            (Version::HTTP_2, &[], true),
            (Version::HTTP_2, &["a"], true),
        ] {
            let request = Request::builder().version(version);
            let request = hosts
                .iter()
                .fold(request, |request, host| request.header(header::HOST, *host));
            let request = request.body(()).unwrap();
            assert_eq!(is_addressed(&request), addressed, "{version:?} {hosts:?}");
        }
    }
}
