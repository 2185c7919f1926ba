//! Answers put together from what a database says, the same for both databases.

use std::collections::{BTreeMap, HashMap};

use super::durable::{Learned, Move, Publication, Registered};
use super::error::StoreError;
use super::row::misfit;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::{CaName, CaNameError};
use crate::domain::time::{DAY, MINUTE, Timestamp};

/// Publications kept: three months of daily ones, for whoever asks what was said then.
pub(super) const KEPT_PUBLICATIONS: i64 = 100;

/// A document with its publication's number and time in front; no path and no bytes where the
/// publication has none.
pub(super) type DocumentRow = (i64, i64, Option<String>, Option<Vec<u8>>);

/// A lesson: CA, name and body.
pub(super) type LearnedRow = (String, String, String);

/// The lesson in a row.
pub(super) fn learned((ca, name, body): LearnedRow) -> Result<Learned, StoreError> {
    let ca = ca.parse().map_err(|error: CaNameError| {
        StoreError::from_driver("learned_select", misfit("ca", error))
    })?;
    Ok(Learned { ca, name, body })
}

/// Whether a registration brings this successor: one that was there before it has had its say.
pub(super) fn is_brought(successor: &Successor, stored: &HashMap<CertId, Certificate>) -> bool {
    !matches!(successor, Successor::By(id) if stored.contains_key(id))
}

/// The certificates of a registration, each CertID once, in the order of CertIDs: every process
/// takes its locks in the same order, and a B-tree is filled from left to right.
pub(super) struct Distinct<'a> {
    given: &'a [Certificate],
    /// For each certificate given, the place in `firsts` of its CertID.
    places: Vec<usize>,
    /// The first certificate given with each CertID.
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

    /// Each CertID's first certificate, in the order of CertIDs.
    pub(super) fn certificates(&self) -> Vec<&'a Certificate> {
        self.firsts
            .iter()
            .map(|&first| &self.given[first])
            .collect()
    }

    /// The outcomes in the order given, where `stored` holds the rows that were there already.
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

/// The moves, each CertID's first, in the order of CertIDs, for the same reasons.
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

/// The records of polls, each fingerprint's last, in the order of fingerprints.
pub(super) fn latest_records(given: &[(u128, u64)]) -> Vec<(u128, u64)> {
    let latest: BTreeMap<u128, u64> = given.iter().copied().collect();
    latest.into_iter().collect()
}

/// What is kept of a certificate that was purged.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Trace {
    /// When it was issued, in Unix seconds.
    pub(super) issued_at: i64,
    /// Whether that tells the hour.
    pub(super) hour_known: bool,
    /// Whether it was steered.
    pub(super) steered: bool,
}

impl Trace {
    /// From the columns `key_identifier`, `issued_at`, `hour_known`, `steered`.
    pub(super) fn from_columns(
        (key_identifier, issued_at, hour_known, steered): (Vec<u8>, i64, bool, bool),
    ) -> sqlx::Result<(KeyIdentifier, Self)> {
        let key_identifier =
            KeyIdentifier::new(&key_identifier).map_err(|error| misfit("key_identifier", error))?;
        Ok((
            key_identifier,
            Self {
                issued_at,
                hour_known,
                steered,
            },
        ))
    }
}

/// Sums purged certificates up as observations of the source `registrations`: by minute, or by day
/// where the hour is not known.
pub(super) fn summed(
    purged: impl Iterator<Item = (KeyIdentifier, Trace)>,
    ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
) -> Vec<Observation> {
    let mut sums: BTreeMap<(CaName, Trace), u64> = BTreeMap::new();
    for (key_identifier, trace) in purged {
        let unit = if trace.hour_known { MINUTE } else { DAY };
        let issued_at = trace.issued_at - trace.issued_at.rem_euclid(unit);
        let sum = sums
            .entry((ca_of(&key_identifier), Trace { issued_at, ..trace }))
            .or_default();
        *sum += 1;
    }
    sums.into_iter()
        .map(|((ca, trace), count)| {
            let at = Timestamp::from_unix(trace.issued_at);
            Observation {
                seconds: if trace.hour_known { 60 } else { 86_400 },
                ca,
                steered: trace.steered,
                told_by: None,
                stands_for: 1.0,
                ..Observation::plain(at, Source::Registrations, Kind::Issued, count)
            }
        })
        .collect()
}

/// The publication that these rows are of, in the order of its documents.
pub(super) fn publication(rows: Vec<DocumentRow>) -> Option<Publication> {
    let &(number, made_at, ..) = rows.first()?;
    Some(Publication {
        number,
        made_at: Timestamp::from_unix(made_at),
        documents: rows
            .into_iter()
            .filter_map(|(_, _, path, bytes)| Some((path?, bytes?.into())))
            .collect(),
    })
}
