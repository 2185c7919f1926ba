//! An index without a store, for measuring memory and speed.

use super::certificates::Index;
use super::entry::{Entry, Kept};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::{Span, Timestamp};

impl Index {
    /// An empty index that belongs to no engine.
    #[must_use]
    pub fn standalone(key: HashKey) -> Self {
        Self::new(key)
    }

    /// Inserts a certificate of the first CA, replacing any with the same CertID.
    pub fn insert(&self, certificate: &Certificate) {
        let entry = Entry::new(0, certificate);
        let fingerprint = self.fingerprint(&certificate.id);
        let issuer = &certificate.id.key_identifier;
        self.put(issuer, fingerprint, entry, |_, _| Kept::New);
    }

    /// The window of a certificate, for a client that polls at `now` and whose `Retry-After` has
    /// this base. The poll is recorded.
    #[must_use]
    pub fn asked(&self, id: &CertId, now: Timestamp, base_seconds: i64) -> Option<Span> {
        let fingerprint = self.fingerprint(id);
        self.poll(fingerprint, now, |_| base_seconds, |entry| entry.window)
    }

    /// The window of a certificate.
    #[must_use]
    pub fn window(&self, id: &CertId) -> Option<Span> {
        self.get(self.fingerprint(id), |entry| entry.window)
    }

    /// The number of certificates.
    #[must_use]
    pub fn certificates(&self) -> usize {
        self.len()
    }
}
