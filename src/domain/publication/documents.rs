//! A publication's documents: which paths there are, and their bytes.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::ranking::{Times, rank, rank_together};
use crate::demand::profile::Profile;
use crate::policy::ca::{CaName, CaPolicy};

/// The path of the document of the only CA, or of all production CAs combined.
pub const RANKING: &str = "ranking.json";
/// The path of the documents' JSON Schema.
pub const SCHEMA: &str = "schema/ranking-1.json";

/// The JSON Schema of version 1.
const SCHEMA_1: &[u8] = include_bytes!("../../../static/schema/ranking-1.json");

/// The environment whose CAs are ranked together.
pub const PRODUCTION: &str = "production";

/// All documents of a publication, by path: [`RANKING`], `ca/<ca>/ranking.json` for each CA, an
/// immutable copy of each of these at `r/<sha256>/ranking.json`, and [`SCHEMA`].
///
/// [`RANKING`] is the document of the only CA. If there are several CAs, it combines the production
/// CAs, or all of them if none is a production CA. The CA `default`, which takes the issuers that
/// no other CA claims, is left out if it has no data and others are configured.
///
/// After the publication `before`, weights move only as far as [`rank`] lets them.
#[must_use]
pub fn documents(
    before: &[(String, Arc<[u8]>)],
    cas: &[(&CaPolicy, &Profile)],
    times: &Times,
) -> Vec<(String, Arc<[u8]>)> {
    let earlier = |path: &str| {
        let found = before.iter().find(|(of, _)| of == path);
        found.map(|(_, bytes)| &**bytes)
    };
    let whole = first(earlier(RANKING), cas, times);
    let mut pointers: Vec<(String, Arc<[u8]>)> = vec![(RANKING.to_owned(), whole)];
    for (policy, profile) in cas {
        let path = ranking_of(&policy.name);
        let bytes = rank(earlier(&path), profile, policy, times).into();
        pointers.push((path, bytes));
    }
    let mut copies: Vec<(String, Arc<[u8]>)> = pointers
        .iter()
        .map(|(_, bytes)| (copy_path(bytes), Arc::clone(bytes)))
        .collect();
    copies.sort_by(|a, b| a.0.cmp(&b.0));
    copies.dedup_by(|a, b| a.0 == b.0);
    pointers.extend(copies);
    pointers.push((SCHEMA.to_owned(), SCHEMA_1.into()));
    pointers
}

/// The path of one CA's document.
#[must_use]
pub fn ranking_of(ca: &CaName) -> String {
    format!("ca/{ca}/{RANKING}")
}

fn first(before: Option<&[u8]>, cas: &[(&CaPolicy, &Profile)], times: &Times) -> Arc<[u8]> {
    let counts = |policy: &CaPolicy, profile: &Profile| {
        policy.name.as_str() != CaName::DEFAULT || profile.data.is_some()
    };
    let mut counted: Vec<(&CaPolicy, &Profile)> = cas
        .iter()
        .copied()
        .filter(|(policy, profile)| counts(policy, profile))
        .collect();
    if counted.is_empty() {
        counted = cas.to_vec();
    }
    if let [(policy, profile)] = counted[..] {
        return rank(before, profile, policy, times).into();
    }
    let production: Vec<(&CaPolicy, &Profile)> = counted
        .iter()
        .copied()
        .filter(|(policy, _)| policy.environment == PRODUCTION)
        .collect();
    if !production.is_empty() {
        counted = production;
    }
    let environment = counted
        .first()
        .map_or(PRODUCTION, |(policy, _)| &policy.environment);
    rank_together(before, &counted, environment, times).into()
}

fn copy_path(bytes: &[u8]) -> String {
    let mut path = String::from("r/");
    for octet in Sha256::digest(bytes) {
        // Writing to a `String` cannot fail.
        let _ = write!(path, "{octet:02x}");
    }
    path.push('/');
    path.push_str(RANKING);
    path
}
