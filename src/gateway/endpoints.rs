//! The paths named in the upstream's directories.

use std::collections::HashMap;

use crate::domain::acme::{Directory, Endpoint};

/// The most paths stored. step-ca has a directory with five paths for each provisioner, so two
/// hundred of these fit. Further paths are recognised only by the structure of their requests.
const MOST_PATHS: usize = 1_000;

/// The endpoints seen in directories.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints(HashMap<String, Endpoint>);

impl Endpoints {
    /// The endpoint at a path and query.
    pub(super) fn at(&self, path_and_query: &str) -> Endpoint {
        self.0
            .get(path_and_query)
            .or_else(|| self.0.get(&plain(path_and_query)))
            .copied()
            .unwrap_or(Endpoint::Other)
    }

    /// Whether no directory has been seen yet.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These endpoints and those of another directory; `None` if all of them are known.
    pub(super) fn with(&self, directory: &Directory) -> Option<Self> {
        let is_news = |(endpoint, path): (Endpoint, &str)| self.0.get(path) != Some(&endpoint);
        if !directory.endpoints().any(is_news) {
            return None;
        }
        let mut all = self.clone();
        for (endpoint, path) in directory.endpoints() {
            if all.0.len() < MOST_PATHS || all.0.contains_key(path) {
                all.0.insert(path.to_owned(), endpoint);
            }
        }
        // An exact path from a directory takes precedence over other readings of a path.
        for (endpoint, path) in directory.endpoints() {
            if all.0.len() < MOST_PATHS {
                all.0.entry(plain(path)).or_insert(endpoint);
            }
        }
        Some(all)
    }
}

/// A path as a server may interpret it: without query, decoded, with single slashes. Otherwise a
/// client could bypass the checks for a path by spelling it differently.
fn plain(path_and_query: &str) -> String {
    let path = path_and_query.split('?').next().unwrap_or_default();
    let octets = path.as_bytes();
    let mut decoded = Vec::with_capacity(octets.len());
    let mut at = 0;
    while let Some(octet) = octets.get(at) {
        let code = octets.get(at + 1..at + 3).filter(|_| *octet == b'%');
        let code = code.and_then(|two| str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        at += if code.is_some() { 3 } else { 1 };
        decoded.push(code.unwrap_or(*octet));
    }
    let text = String::from_utf8_lossy(&decoded);
    let parts = text.split('/').filter(|part| !part.is_empty());
    parts.flat_map(|part| ["/", part]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_learned_within_a_bound() {
        let directory = |number: usize| Directory {
            urls: vec![(
                "newOrder".to_owned(),
                format!("https://ca/{number}/new-order"),
            )],
        };
        let mut endpoints = Endpoints::default();
        for number in 0..2 * MOST_PATHS {
            endpoints = endpoints.with(&directory(number)).unwrap_or(endpoints);
        }
        assert_eq!(endpoints.0.len(), MOST_PATHS);
        assert_eq!(endpoints.at("/7/new-order"), Endpoint::NewOrder);
        assert_eq!(endpoints.at("/new-order"), Endpoint::Other);
        assert!(endpoints.with(&directory(7)).is_none());
        for same in [
            "/7/new-order?x=1",
            "//7/new-order",
            "/7/new%2Dorder",
            "/7/new-order/",
        ] {
            assert_eq!(endpoints.at(same), Endpoint::NewOrder, "{same}");
        }
        // Paths that differ only in their queries are distinguished by the directory.
        let by_query = Directory {
            urls: vec![
                ("newOrder".to_owned(), "https://ca/acme?newOrder".to_owned()),
                ("newNonce".to_owned(), "https://ca/acme".to_owned()),
            ],
        };
        let merged = Endpoints::default().with(&by_query).unwrap();
        assert_eq!(merged.at("/acme?newOrder"), Endpoint::NewOrder);
        assert_eq!(merged.at("/acme"), Endpoint::NewNonce);
        assert!(merged.with(&by_query).is_none());
        for other in [
            "/7/new-order%2",
            "/7/new-order%zz",
            "/7",
            "?/7/new-order",
            "",
        ] {
            assert_eq!(endpoints.at(other), Endpoint::Other, "{other}");
        }
    }
}
