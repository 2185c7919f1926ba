//! A fleet as the dispatcher needs it: windows, and the buckets that each certificate draws from.

use core::net::IpAddr;
use std::collections::HashMap;

use super::bucket::Bucket;
use super::catalogue::{Catalogue, Scope};
use super::terms::{MOST_SECONDS_AHEAD, Renewal, Terms, draw};
use crate::time::{Span, Timestamp};

/// One certificate.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// When it may be renewed.
    pub(super) window: Span,
    /// Its order among certificates with the same deadline.
    pub(super) order: u64,
    /// The line in which it waits.
    pub(super) line: usize,
    /// The buckets it draws from, except those of its account.
    pub(super) buckets: Vec<usize>,
}

/// The whole fleet.
#[derive(Clone, Debug)]
pub(super) struct Jobs {
    pub(super) members: Vec<Job>,
    /// The buckets of each account, by index.
    pub(super) accounts: Vec<Vec<usize>>,
    /// The account of each line.
    pub(super) lines: Vec<usize>,
    /// All buckets, with the index of their limit in the catalogue.
    pub(super) buckets: Vec<(usize, Bucket)>,
}

/// Identifies a bucket: a limit, and what it is counted for.
type Key = (usize, String);

impl Jobs {
    /// Prepares a fleet. `usual` is the window of certificates without their own; each account is
    /// split into `accounts`, 1 for no split.
    pub(super) fn new(
        fleet: &[Renewal],
        catalogue: &Catalogue,
        usual: Span,
        seed: u128,
        accounts: usize,
    ) -> Self {
        let account_of = |at: usize, renewal: &Renewal| match accounts {
            0 | 1 => renewal.account.clone(),
            several => format!("{}\0{}", renewal.account, at % several),
        };
        let keys =
            |at: usize, renewal: &Renewal| keys(renewal, &account_of(at, renewal), catalogue);
        let mut counts: HashMap<Key, u32> = HashMap::new();
        for (at, renewal) in fleet.iter().enumerate() {
            for key in keys(at, renewal) {
                *counts.entry(key).or_default() += 1;
            }
        }
        // A bucket with enough tokens for all that draw from it never limits.
        let rules: HashMap<usize, _> = catalogue
            .buckets()
            .map(|(at, _, rule)| (at, rule))
            .collect();
        counts.retain(|(limit, _), count| *count > catalogue.limits[*limit].count);
        let mut made = Self {
            members: Vec::with_capacity(fleet.len()),
            accounts: Vec::new(),
            lines: Vec::new(),
            buckets: Vec::new(),
        };
        let mut numbers: HashMap<Key, usize> = HashMap::new();
        let mut account_numbers: HashMap<Option<String>, usize> = HashMap::new();
        let mut line_numbers: HashMap<(usize, Option<usize>), usize> = HashMap::new();
        for (at, renewal) in fleet.iter().enumerate() {
            let mut of_account = Vec::new();
            let mut own = Vec::new();
            for key in keys(at, renewal) {
                if !counts.contains_key(&key) {
                    continue;
                }
                let limit = key.0;
                let number = *numbers.entry(key).or_insert_with(|| {
                    made.buckets.push((limit, Bucket::full(rules[&limit])));
                    made.buckets.len() - 1
                });
                match catalogue.limits[limit].scope {
                    Scope::Account => of_account.push(number),
                    _ => own.push(number),
                }
            }
            let name = (!of_account.is_empty()).then(|| account_of(at, renewal));
            let account = *account_numbers.entry(name).or_insert_with(|| {
                made.accounts.push(of_account);
                made.accounts.len() - 1
            });
            // Certificates that draw from the same bucket wait in the same line, so that the bucket
            // wakes one of them and not all.
            let line = *line_numbers
                .entry((account, own.first().copied()))
                .or_insert_with(|| {
                    made.lines.push(account);
                    made.lines.len() - 1
                });
            made.members.push(Job {
                window: renewal.window.unwrap_or(usual),
                order: draw(seed, at, 1),
                line,
                buckets: own,
            });
        }
        made
    }

    /// The length of the shortest window, in seconds.
    pub(super) fn shortest_seconds(&self) -> i64 {
        let windows = self.members.iter().map(|job| job.window.seconds());
        windows.min().unwrap_or(i64::MAX)
    }

    /// From the next second to the end of the last window.
    pub(super) fn ahead(&self, terms: &Terms<'_>) -> Span {
        let reach = self.reach(terms.now);
        let slot = terms.demand.slot_seconds();
        // The present slot is cut at the present, so that it shows how much of it is left.
        let slot_end = Timestamp::from_unix((terms.now.slot(slot) + 1) * slot);
        let from = if reach.from < slot_end {
            terms.now + 1
        } else {
            reach.from
        };
        let to = reach.to.min(terms.now + MOST_SECONDS_AHEAD);
        Span { from, to }
    }

    /// From the first instant of any window to the last.
    fn reach(&self, now: Timestamp) -> Span {
        let from = self.members.iter().map(|job| job.window.from).min();
        let to = self.members.iter().map(|job| job.window.to).max();
        Span {
            from: from.unwrap_or(now),
            to: to.unwrap_or(now),
        }
    }
}

/// The buckets of a renewal, those shared by the most certificates first.
fn keys(renewal: &Renewal, account: &str, catalogue: &Catalogue) -> Vec<Key> {
    if renewal.by_ari && catalogue.ari_renewals_are_exempt {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut names: Vec<String> = renewal.names.iter().map(|name| normal(name)).collect();
    names.sort_unstable();
    names.dedup();
    for (limit, scope, _) in catalogue.buckets() {
        match scope {
            Scope::Account => found.push((limit, account.to_owned())),
            Scope::ExactSet if !names.is_empty() => found.push((limit, names.join(","))),
            Scope::Identifier => {
                found.extend(
                    names
                        .iter()
                        .map(|name| (limit, format!("{account}\0{name}"))),
                );
            }
            Scope::RegisteredDomain => {
                let mut domains: Vec<String> = names.iter().map(|name| registered(name)).collect();
                domains.sort_unstable();
                domains.dedup();
                found.extend(domains.into_iter().map(|domain| (limit, domain)));
            }
            _ => {}
        }
    }
    found
}

/// The form in which identifiers are compared.
fn normal(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// The domain directly below the public suffix (publicsuffix.org) of a name. An IPv4 address counts
/// by itself, an IPv6 address by its /64, as at Let's Encrypt.
fn registered(name: &str) -> String {
    match name.parse() {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Err(_) => {
            let name = name.strip_prefix("*.").unwrap_or(name);
            psl::domain_str(name).unwrap_or(name).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_belongs_to_the_domain_below_its_public_suffix() {
        for (name, domain) in [
            ("a.b.example.com", "example.com"),
            ("*.example.co.uk", "example.co.uk"),
            ("example.com", "example.com"),
            ("x.someone.github.io", "someone.github.io"),
            ("com", "com"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
        ] {
            assert_eq!(registered(name), domain, "{name}");
        }
    }

    #[test]
    fn renewals_that_name_what_they_replace_draw_from_nothing() {
        let catalogue = Catalogue::named("letsencrypt").unwrap();
        let renewal = |by_ari| Renewal {
            names: vec!["A.example.com.".to_owned(), "b.example.com".to_owned()],
            by_ari,
            ..Renewal::default()
        };
        assert!(keys(&renewal(true), "", &catalogue).is_empty());
        let found = keys(&renewal(false), "me", &catalogue);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "me",
                "example.com",
                "a.example.com,b.example.com",
                "me\0a.example.com",
                "me\0b.example.com"
            ]
        );
    }
}
