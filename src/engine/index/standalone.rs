//! An index on its own, without a store: what its memory and its speed are measured with.

use super::certificates::Index;
use super::entry::{Entry, Kept};
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::HashKey;
use crate::domain::time::{Span, Timestamp};

impl Index {
    /// An index that is empty and belongs to no engine.
    #[must_use]
    pub fn standalone(key: HashKey) -> Self {
        Self::new(key)
    }

    /// Puts a certificate of the first CA in, in the place of any with its CertID.
    pub fn insert(&self, certificate: &Certificate) {
        let entry = Entry::new(0, certificate);
        let fingerprint = self.fingerprint(&certificate.id);
        let issuer = &certificate.id.key_identifier;
        self.put(issuer, fingerprint, entry, |_, _| Kept::New);
    }

    /// The window of a certificate, as a client that asks for it at `now` is told; that it asked,
    /// as one that is sent away for `base_seconds`, is remembered.
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

    /// How many certificates there are.
    #[must_use]
    pub fn certificates(&self) -> usize {
        self.len()
    }
}
