//! The names of an order or a certificate, in normal form.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::hash::{HashKey, TextPurpose};

/// A set of names: DNS names in lower case without a trailing dot, and IP addresses in their usual
/// form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Names(BTreeSet<String>);

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        Self(
            names
                .into_iter()
                .map(|name| canonical_name(&name))
                .collect(),
        )
    }
}

impl Names {
    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A keyed hash of the whole set.
    #[must_use]
    pub fn hash(&self, key: &HashKey) -> u128 {
        let mut text = String::new();
        for name in &self.0 {
            text.push_str(name);
            // A line feed occurs in no name.
            text.push('\n');
        }
        key.hash_text(TextPurpose::Names, text.as_bytes())
    }

    /// A keyed hash of each name, in ascending order.
    #[must_use]
    pub fn each_hash(&self, key: &HashKey) -> Vec<u64> {
        let low = |hash: u128| u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(0);
        let mut hashes: Vec<u64> = self
            .0
            .iter()
            .map(|name| low(key.hash_text(TextPurpose::Name, name.as_bytes())))
            .collect();
        hashes.sort_unstable();
        hashes
    }
}

/// The normal form of a name.
#[must_use]
pub fn canonical_name(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.trim_end_matches('.').to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Names {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_set_is_the_same_however_it_is_written() {
        let key = HashKey::new([1; 16]);
        let set = names(&["b.example", "A.example.", "2001:DB8::1"]);
        let same = names(&["a.example", "2001:db8:0::1", "B.example", "b.example"]);
        assert_eq!(set, same);
        assert_eq!(set.hash(&key), same.hash(&key));
        assert_eq!(set.each_hash(&key).len(), 3);
        let other = names(&["a.example", "b.example"]);
        assert_ne!(set.hash(&key), other.hash(&key));
        let shared = other.each_hash(&key);
        assert!(shared.iter().all(|hash| set.each_hash(&key).contains(hash)));
        assert_ne!(set.hash(&key), set.hash(&HashKey::new([2; 16])));
    }

    #[test]
    fn two_sets_do_not_run_together() {
        let key = HashKey::new([1; 16]);
        assert_ne!(
            names(&["ab", "c"]).hash(&key),
            names(&["a", "bc"]).hash(&key)
        );
    }
}
