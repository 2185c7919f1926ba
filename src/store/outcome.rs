//! Results computed from what a database returns, the same for both databases.

use std::collections::{BTreeMap, HashMap};

use super::certificates::Registered;
use super::error::StoreError;
use super::moves::Move;
use super::row::misfit;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{DAY, MINUTE, Timestamp};

/// How often a step is tried if another process interferes.
pub(super) const TRIES: usize = 8;

/// Whether this registration adds this successor: a certificate that was stored before has done so at
/// its own registration.
pub(super) fn is_brought(successor: &Successor, stored: &HashMap<CertId, Certificate>) -> bool {
    !matches!(successor, Successor::By(id) if stored.contains_key(id))
}

/// The certificates of a registration, each CertID once, in the order of CertIDs. So every process
/// takes its locks in the same order, and a B-tree is filled from left to right.
pub(super) struct Distinct<'a> {
    given: &'a [Certificate],
    /// For each given certificate, the index in `firsts` of its CertID.
    places: Vec<usize>,
    /// The index of the first certificate with each CertID.
    firsts: Vec<usize>,
}

impl<'a> Distinct<'a> {
    pub(super) fn new(given: &'a [Certificate]) -> Self {
        let mut order: Vec<usize> = (0..given.len()).collect();
        order.sort_by(|&a, &b| given[a].id.cmp(&given[b].id).then(a.cmp(&b)));
        let mut firsts: Vec<usize> = Vec::with_capacity(given.len());
        let mut places = vec![0; given.len()];
        for index in order {
            if firsts
                .last()
                .is_none_or(|&first| given[first].id != given[index].id)
            {
                firsts.push(index);
            }
            places[index] = firsts.len() - 1;
        }
        Self {
            given,
            places,
            firsts,
        }
    }

    /// The first certificate with each CertID, in the order of CertIDs.
    pub(super) fn certificates(&self) -> Vec<&'a Certificate> {
        self.firsts
            .iter()
            .map(|&first| &self.given[first])
            .collect()
    }

    /// The outcomes in the order given; `stored` has the rows that existed before.
    pub(super) fn outcomes(&self, stored: &HashMap<CertId, Certificate>) -> Vec<Registered> {
        self.places
            .iter()
            .enumerate()
            .map(|(index, &place)| {
                let first = self.firsts[place];
                match stored.get(&self.given[first].id) {
                    Some(row) => Registered::Existing(Box::new(row.clone())),
                    None if first == index => Registered::Inserted,
                    None => Registered::Existing(Box::new(self.given[first].clone())),
                }
            })
            .collect()
    }
}

/// The first move of each CertID, in the order of CertIDs, for the same reasons.
pub(super) fn distinct_moves(given: &[Move]) -> Vec<&Move> {
    let mut moves: Vec<&Move> = given.iter().collect();
    moves.sort_by(|a, b| a.id.cmp(&b.id));
    moves.dedup_by(|later, first| later.id == first.id);
    moves
}

/// The CertIDs, each once, in order.
pub(super) fn distinct_ids(given: &[CertId]) -> Vec<&CertId> {
    let mut ids: Vec<&CertId> = given.iter().collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The last record of each fingerprint, in the order of fingerprints.
pub(super) fn latest_records(given: &[(u128, u64)]) -> Vec<(u128, u64)> {
    let latest: BTreeMap<u128, u64> = given.iter().copied().collect();
    latest.into_iter().collect()
}

/// What is kept of a purged certificate: when it was issued, in Unix seconds; whether that includes the
/// hour; and whether it was steered.
type Trace = (i64, bool, bool);

/// Sums purged certificates as observations of the source `registrations`: by minute, or by day if the
/// hour is not known. Rows have the columns `key_identifier`, `issued_at`, `hour_known` and `steered`.
pub(super) fn summed(
    purged: Vec<(Vec<u8>, i64, bool, bool)>,
    ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
) -> Result<Vec<Observation>, StoreError> {
    let mut sums: BTreeMap<(CaName, Trace), u64> = BTreeMap::new();
    for (key_identifier, issued_at, hour_known, steered) in purged {
        let key_identifier = KeyIdentifier::new(&key_identifier).map_err(|error| {
            StoreError::from_driver("certificate_purge", misfit("key_identifier", error))
        })?;
        let unit = if hour_known { MINUTE } else { DAY };
        let issued_at = issued_at - issued_at.rem_euclid(unit);
        let trace = (issued_at, hour_known, steered);
        *sums.entry((ca_of(&key_identifier), trace)).or_default() += 1;
    }
    let sums = sums.into_iter();
    let observations = sums.map(|((ca, (issued_at, hour_known, steered)), count)| {
        let at = Timestamp::from_unix(issued_at);
        Observation {
            seconds: if hour_known { 60 } else { 86_400 },
            ca,
            steered,
            ..Observation::plain(at, Source::Registrations, Kind::Issued, count)
        }
    });
    Ok(observations.collect())
}
