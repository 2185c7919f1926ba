//! The keys of accounts, learned from requests that the upstream accepted.

use std::sync::Arc;

use moka::sync::Cache;

use super::jws::is_signed_with;
use super::store_time::StoreTime;
use crate::domain::acme::{Envelope, Jwk, Signer};
use crate::domain::certificate::hash::{HashKey, TextPurpose};
use crate::engine::Engine;

/// Accounts whose keys are cached: 300 octets each with an RSA key, 600 with the table's overhead,
/// so at most 60 MB.
const MOST_KEPT: u64 = 100_000;

/// What a gateway knows about its upstream's accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    key: HashKey,
    engine: Arc<Engine>,
    known: Cache<u128, Jwk>,
}

impl Accounts {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self {
            key: engine.hash_key(),
            engine,
            known: Cache::new(MOST_KEPT),
        }
    }

    /// The keyed hash of the account named in a request.
    pub(super) fn of(&self, envelope: &Envelope) -> Option<u128> {
        match &envelope.signer {
            Signer::Account(url) => Some(self.hash(url)),
            Signer::Key(_) => None,
        }
    }

    /// Whether a request for this path and query was signed with the key of the account it names.
    pub(super) async fn is_verified(
        &self,
        envelope: &Envelope,
        path_and_query: &str,
        store: &StoreTime,
    ) -> bool {
        if envelope.url_path() != Some(path_and_query) {
            return false;
        }
        let Some(account) = self.of(envelope) else {
            return false;
        };
        let key = self.key_of(account, store).await;
        key.is_some_and(|key| is_signed_with(envelope, &key))
    }

    /// The key of an account, from memory or the store; `None` if the store is unavailable.
    async fn key_of(&self, account: u128, store: &StoreTime) -> Option<Jwk> {
        if let Some(known) = self.known.get(&account) {
            return Some(known);
        }
        let read = async { self.engine.store().account_key(account).await };
        let octets = store.ask(read).await?.ok()??;
        let key = Jwk::from_octets(&octets)?;
        self.known.insert(account, key.clone());
        Some(key)
    }

    /// Learns the key of the account at `url` from an accepted request that created the account or
    /// looked it up by its key.
    pub(super) fn learn(&self, envelope: &Envelope, url: &str) {
        if let Signer::Key(Some(key)) = &envelope.signer
            && is_signed_with(envelope, key)
        {
            self.keep(self.hash(url), key);
        }
    }

    /// Learns the new key of an account from an accepted key change (RFC 8555 section 7.3.5), whose
    /// payload is an envelope signed with the new key.
    pub(super) fn learn_change(&self, envelope: &Envelope) {
        let (Some(account), Some(inner)) = (self.of(envelope), Envelope::read(&envelope.payload))
        else {
            return;
        };
        if let Signer::Key(Some(key)) = &inner.signer
            && is_signed_with(&inner, key)
        {
            self.keep(account, key);
        } else {
            // The old key is no longer valid, and the new one is unknown.
            self.known.invalidate(&account);
            self.store(account, Vec::new());
        }
    }

    fn keep(&self, account: u128, key: &Jwk) {
        if self.known.get(&account).as_ref() != Some(key) {
            self.known.insert(account, key.clone());
            self.store(account, key.to_octets());
        }
    }

    /// Stores a key for other processes and restarts, in the background.
    fn store(&self, account: u128, octets: Vec<u8>) {
        let engine = Arc::clone(&self.engine);
        self.engine.background().spawn(async move {
            let now = engine.now();
            let kept = engine.store().set_account_key(account, &octets, now);
            if let Err(error) = kept.await {
                tracing::warn!(event = "account_key_not_kept", %error);
            }
        });
    }

    fn hash(&self, url: &str) -> u128 {
        self.key.hash_text(TextPurpose::Account, url.as_bytes())
    }
}
