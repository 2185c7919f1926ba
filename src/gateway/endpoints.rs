//! Which paths the upstream's directories name.

use std::collections::HashMap;

use crate::domain::acme::{Directory, Endpoint};

/// Paths kept: step-ca has a directory for each provisioner, with five paths each; two hundred of
/// them fit. What comes beyond is told by the structure of its requests alone.
const MOST_PATHS: usize = 1_000;

/// The endpoints that have been seen in directories.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints(HashMap<String, Endpoint>);

impl Endpoints {
    /// What is at a path and query.
    pub(super) fn at(&self, path_and_query: &str) -> Endpoint {
        self.0
            .get(path_and_query)
            .copied()
            .unwrap_or(Endpoint::Other)
    }

    /// With those of one more directory; `None` where all of them are known.
    pub(super) fn with(&self, directory: &Directory) -> Option<Self> {
        let is_news = |(endpoint, path): (Endpoint, &str)| self.at(path) != endpoint;
        if !directory.endpoints().any(is_news) {
            return None;
        }
        let mut all = self.clone();
        for (endpoint, path) in directory.endpoints() {
            if all.0.len() < MOST_PATHS || all.0.contains_key(path) {
                all.0.insert(path.to_owned(), endpoint);
            }
        }
        Some(all)
    }
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
    }
}
