//! Counts from the leaves of a log: certificates issued, by CA and time.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::hash::{HashKey, Purpose};
use crate::domain::certificate::names::Names;
use crate::domain::certificate::{Submission, Validity};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::transparency::leaf::{Entry, Leaf};
use crate::ingest::x509::Facts;

/// A certificate seen in a log for the first time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logged {
    /// Its CertID.
    pub id: CertId,
    /// Its dates.
    pub validity: Validity,
    /// When the log accepted it.
    pub at: Timestamp,
}

impl Logged {
    /// The certificate in a leaf. `None` for a certificate whose precertificate is already in a
    /// log, one without a CertID, or one of a CA.
    #[must_use]
    pub fn of(leaf: &Leaf<'_>) -> Option<Self> {
        let facts = match leaf.entry {
            Entry::Certificate(der) => Facts::of(der).ok().filter(|facts| !facts.has_timestamps),
            Entry::Precertificate(tbs) => Facts::of_precertificate(tbs).ok(),
        }?;
        if facts.is_ca {
            return None;
        }
        let seconds = i64::try_from(leaf.timestamp_ms / 1_000).ok()?;
        Some(Self {
            id: facts.id.ok()?,
            validity: facts.validity.ok()?,
            at: Timestamp::from_unix(seconds),
        })
    }

    /// Seconds from `notBefore` to the log's timestamp.
    #[must_use]
    pub fn backdate_seconds(&self) -> i64 {
        self.at - self.validity.not_before
    }

    /// The submission for registering it.
    #[must_use]
    pub fn submission(&self) -> Submission {
        Submission {
            id: self.id.clone(),
            validity: self.validity,
            issued_at: Some(self.at),
            replaces: None,
            names: Names::default(),
        }
    }
}

/// The CAs to count, and their issuers.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    names: Vec<CaName>,
    issuers: BTreeMap<Vec<u8>, usize>,
    key: HashKey,
}

/// The counts of a block's leaves.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Certificates by CA and minute.
    pub(super) minutes: BTreeMap<(Timestamp, usize), u64>,
    /// Certificates of all counted CAs, with their keyed hashes.
    pub(super) certificates: Vec<(u64, usize, Logged)>,
    /// The latest instant of any leaf, in whole seconds.
    pub(super) last: Option<Timestamp>,
}

impl Counter {
    /// For one CA, or for all that have issuers.
    pub(super) fn new(config: &Config, ca: Option<&CaName>, key: HashKey) -> Self {
        let meant: Vec<_> = config
            .cas
            .iter()
            .filter(|policy| !policy.issuers.is_empty())
            .filter(|policy| ca.is_none_or(|ca| policy.name == *ca))
            .collect();
        let issuers = meant
            .iter()
            .enumerate()
            .flat_map(|(number, policy)| {
                let octets = |issuer: &KeyIdentifier| issuer.octets().to_vec();
                policy
                    .issuers
                    .iter()
                    .map(move |issuer| (octets(issuer), number))
            })
            .collect();
        Self {
            names: meant.iter().map(|policy| policy.name.clone()).collect(),
            issuers,
            key,
        }
    }

    /// The counted CAs; [`Counted`] refers to them by index.
    pub(super) fn names(&self) -> &[CaName] {
        &self.names
    }

    /// Counts leaves. If one occurs twice, the first counts.
    pub(super) fn count(&self, leaves: &[Leaf<'_>]) -> Counted {
        let mut counted = Counted::default();
        let mut hashes = BTreeSet::new();
        for leaf in leaves {
            let at = i64::try_from(leaf.timestamp_ms / 1_000).unwrap_or(i64::MAX);
            counted.last = counted.last.max(Some(Timestamp::from_unix(at)));
            let Some(logged) = Logged::of(leaf) else {
                continue;
            };
            let Some(ca) = self.issuers.get(logged.id.key_identifier.octets()) else {
                continue;
            };
            let hash = self.hash(&logged.id);
            if hashes.insert(hash) {
                counted.certificates.push((hash, *ca, logged));
            }
        }
        counted.sum();
        counted
    }

    /// 64 bits of the keyed hash used by the index. With ten million a day, kept for two days, two
    /// certificates are confused once in 250 years.
    fn hash(&self, id: &CertId) -> u64 {
        let hash = self.key.hash(Purpose::Fingerprint, id, 0);
        u64::try_from(hash >> 64).unwrap_or_default()
    }
}

impl Counted {
    /// Removes those whose hashes are in the ascending list `before`.
    pub(super) fn without(&mut self, before: &[u64]) {
        self.certificates
            .retain(|(hash, _, _)| before.binary_search(hash).is_err());
        self.sum();
    }

    /// The number for each CA.
    pub(super) fn of_each(&self, cas: usize) -> Vec<u64> {
        let mut sums = vec![0; cas];
        for (_, ca, _) in &self.certificates {
            sums[*ca] += 1;
        }
        sums
    }

    fn sum(&mut self) {
        self.minutes.clear();
        for (_, ca, logged) in &self.certificates {
            let minute = Timestamp::from_unix(logged.at.slot(MINUTE) * MINUTE);
            *self.minutes.entry((minute, *ca)).or_default() += 1;
        }
    }
}
