//! The certificates in memory. Readers take no lock, and each part is written separately.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::hash::{HashKey, Purpose};
use crate::domain::ledger::Expected;
use crate::domain::time::Timestamp;

use super::entry::{Entry, Kept};
use super::fingerprint::Fingerprint;
use super::issuers::Issuers;
use super::key::Key;
use super::overflow::Overflow;
use super::packing::{pack, polls_word, repack, unpack};
use super::row::Found;
use super::shared_fields::SharedFields;
use super::table::{SHARDS, Seen, Table, Writer};

/// The certificates, by fingerprint.
#[derive(Debug)]
pub struct Index {
    pub(super) key: HashKey,
    pub(super) table: Table,
    pub(super) shared_fields: SharedFields,
    pub(super) overflow: Overflow,
    pub(super) issuers: Issuers,
    /// Everything that expired before this has been dropped.
    pub(super) over_before: AtomicI64,
}

/// An entry, and its position in its row; oversized entries are stored elsewhere.
struct Held {
    entry: Entry,
    found: Option<Found>,
}

impl Index {
    /// The number of parts that are written separately.
    pub(in crate::engine) const PARTS: usize = SHARDS;

    pub(crate) fn new(key: HashKey) -> Self {
        Self {
            key,
            table: Table::new(),
            shared_fields: SharedFields::new(),
            overflow: Overflow::default(),
            issuers: Issuers::default(),
            over_before: AtomicI64::new(Timestamp::MIN.unix()),
        }
    }

    pub(crate) fn fingerprint(&self, id: &CertId) -> Fingerprint {
        Fingerprint::of(self.key.hash(Purpose::Fingerprint, id, 0))
    }

    /// The fingerprint for its number in the store.
    pub(in crate::engine) const fn stored_fingerprint(number: u128) -> Fingerprint {
        Fingerprint::of(number)
    }

    /// Prefetches the memory of an entry, because waiting for it takes longer than reading it.
    pub(crate) fn prefetch(&self, fingerprint: Fingerprint) {
        self.table.prefetch(fingerprint.key());
    }

    /// Reads an entry.
    pub(crate) fn get<R>(
        &self,
        fingerprint: Fingerprint,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        self.entry(fingerprint).map(|(entry, _)| read(&entry))
    }

    /// An entry, and where it was read in the table; oversized entries are not in the table.
    fn entry(&self, fingerprint: Fingerprint) -> Option<(Entry, Option<Seen>)> {
        let narrow = || {
            let seen = self.table.read(fingerprint.key())?;
            Some((unpack(seen.record, &self.shared_fields)?, Some(seen)))
        };
        let entry = narrow();
        if entry.is_some() || self.overflow.len() == 0 {
            return entry;
        }
        // It may move from one to the other in the meantime.
        let overflow = self.overflow.get(fingerprint);
        overflow.map(|entry| (entry, None)).or_else(narrow)
    }

    /// Reads an entry for a client that polls at `now`, and records the poll. `base_of` gives the
    /// base of its `Retry-After`, in seconds.
    ///
    /// If another thread is writing to the same part of the index, the poll is not recorded: a
    /// request does not wait, and one poll in thousands does not matter. If the poll adds no
    /// information, nothing is written, because cache lines dirtied by a flood would cost more than
    /// the polls.
    pub(crate) fn poll<R>(
        &self,
        fingerprint: Fingerprint,
        now: Timestamp,
        base_of: impl FnOnce(&Entry) -> i64,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let (mut entry, seen) = self.entry(fingerprint)?;
        let base_seconds = base_of(&entry);
        if entry.see(now, base_seconds) {
            match (seen, polls_word(&entry)) {
                (Some(seen), Some(polls)) => self.table.set_polls(fingerprint.key(), &seen, polls),
                // It is oversized, or will be.
                _ => self.remember_poll(fingerprint, now, base_seconds),
            }
        }
        Some(read(&entry))
    }

    fn remember_poll(&self, fingerprint: Fingerprint, now: Timestamp, base_seconds: i64) {
        if let Some(writer) = self.table.try_write(fingerprint.key().shard())
            && let Some(mut held) = self.held(&writer, fingerprint)
        {
            held.entry.see(now, base_seconds);
            self.hold(&writer, fingerprint, held.found, held.entry);
        }
    }

    /// Changes an entry's poll record and expectation, but none of its shared fields.
    pub(in crate::engine) fn teach(
        &self,
        fingerprint: Fingerprint,
        teach: impl FnOnce(&mut Entry),
    ) {
        let writer = self.table.write(fingerprint.key().shard());
        if let Some(Held { mut entry, found }) = self.held(&writer, fingerprint) {
            teach(&mut entry);
            self.hold(&writer, fingerprint, found, entry);
        }
    }

    /// Whether a sweep has dropped such an entry, or would have.
    pub(crate) fn is_over(&self, entry: &Entry) -> bool {
        entry.validity.not_after.unix() < self.over_before.load(Ordering::Relaxed)
    }

    /// Inserts or replaces an entry. `change` gets the old one and decides which stays.
    pub(in crate::engine) fn put(
        &self,
        issuer: &KeyIdentifier,
        fingerprint: Fingerprint,
        mut entry: Entry,
        change: impl FnOnce(Option<&Entry>, &mut Entry) -> Kept,
    ) {
        let writer = self.table.write(fingerprint.key().shard());
        let old = self.held(&writer, fingerprint);
        if change(old.as_ref().map(|old| &old.entry), &mut entry) == Kept::Old {
            return;
        }
        let is_new = old.is_none();
        if let Some(old) = &old {
            entry.put_in_place_of(&old.entry);
        }
        let found = old.and_then(|old| old.found);
        self.hold(&writer, fingerprint, found, entry);
        drop(writer);
        if is_new {
            self.issuers.add(issuer, 1);
        }
    }

    /// The present entry, for the writer of its shard.
    fn held(&self, writer: &Writer<'_>, fingerprint: Fingerprint) -> Option<Held> {
        if let Some(found) = writer.find(fingerprint.key()) {
            return Some(Held {
                entry: unpack(found.record, &self.shared_fields)?,
                found: Some(found),
            });
        }
        let entry = self.overflow.get(fingerprint)?;
        Some(Held { entry, found: None })
    }

    /// Stores an entry in place of the old one, or adds it; in the table if it fits. A concurrent
    /// reader finds the old or the new one.
    fn hold(
        &self,
        writer: &Writer<'_>,
        fingerprint: Fingerprint,
        found: Option<Found>,
        entry: Entry,
    ) {
        let key = fingerprint.key();
        let packed = pack(&entry, &self.shared_fields);
        match (packed, found) {
            (Some(record), Some(found)) => return writer.set(found, record),
            (Some(record), None) if writer.insert(key, record) => {
                return self.overflow.remove(fingerprint);
            }
            _ => {}
        }
        self.overflow.insert(fingerprint, entry);
        if found.is_some() {
            writer.remove(key);
        }
    }

    /// Copies the poll records of another index.
    pub(crate) fn remember_polls(&self, other: &Self) {
        let remember = |fingerprint, entry: &mut Entry| {
            other.get(fingerprint, |known| {
                let polls = entry.polls().merged(known.polls());
                entry.remember(known);
                entry.set_polls(polls);
            });
            true
        };
        self.change_each(remember);
    }

    /// Removes an entry.
    pub(crate) fn remove(&self, id: &CertId) -> Option<Entry> {
        let fingerprint = self.fingerprint(id);
        let writer = self.table.write(fingerprint.key().shard());
        let Held { entry, found } = self.held(&writer, fingerprint)?;
        if found.is_some() {
            writer.remove(fingerprint.key());
        } else {
            self.overflow.remove(fingerprint);
        }
        drop(writer);
        self.issuers.remove_one(&id.key_identifier);
        Some(entry)
    }

    /// Whether a certificate of this issuer has been seen since the start.
    pub(crate) fn knows_issuer(&self, issuer: &KeyIdentifier) -> bool {
        self.issuers.contains(issuer)
    }

    /// The number of certificates.
    pub(crate) fn len(&self) -> usize {
        self.table.len() + self.overflow.len()
    }

    /// Calls `see` for every entry.
    pub(crate) fn each(&self, mut see: impl FnMut(&Entry)) {
        for part in 0..Self::PARTS {
            self.each_of(part, &mut see, || {});
        }
    }

    /// Calls `see` for the entries of a part, then `then`, before anything else is written to the
    /// part.
    pub(in crate::engine) fn each_of(
        &self,
        part: usize,
        mut see: impl FnMut(&Entry),
        then: impl FnOnce(),
    ) {
        let writer = self.table.write(part);
        for (_, found) in writer.records() {
            if let Some(entry) = unpack(found.record, &self.shared_fields) {
                see(&entry);
            }
        }
        for (_, entry) in self.overflow.of(part) {
            see(&entry);
        }
        then();
        drop(writer);
    }

    /// Goes through all entries, a shard at a time, and lets `change` modify each one's poll record
    /// and expectation. Entries for which `change` returns false are removed.
    fn change_each(&self, mut change: impl FnMut(Fingerprint, &mut Entry) -> bool) {
        for shard in 0..SHARDS {
            let writer = self.table.write(shard);
            let mut dropped: Vec<Key> = Vec::new();
            for (key, found) in writer.records() {
                let Some(mut entry) = unpack(found.record, &self.shared_fields) else {
                    continue;
                };
                if !change(Fingerprint::from_key(key), &mut entry) {
                    dropped.push(key);
                } else if let Some(record) = repack(&entry, found.record.facts)
                    && record != found.record
                {
                    writer.set(found, record);
                }
            }
            for key in &dropped {
                writer.remove(*key);
            }
            if !dropped.is_empty() {
                writer.tighten();
            }
        }
        self.overflow
            .change(|overflow| overflow.retain(|fingerprint, entry| change(*fingerprint, entry)));
    }

    /// Goes through all entries, a shard at a time. Those that `on_change` calls expired are removed
    /// after it has seen them; the others are updated to the present evidence, after `look` has
    /// seen them.
    pub(crate) fn sweep(
        &self,
        since: Timestamp,
        now: Timestamp,
        over_before: Timestamp,
        mut look: impl FnMut(Fingerprint, &mut Entry),
        kept_share: impl Fn(&Entry) -> f64,
        mut on_change: impl FnMut(&Entry, Option<Expected>),
    ) {
        self.over_before
            .fetch_max(over_before.unix(), Ordering::Relaxed);
        self.change_each(|fingerprint, entry| {
            if entry.validity.not_after < over_before {
                on_change(entry, None);
                return false;
            }
            look(fingerprint, entry);
            let expected = entry.expects(since, now, kept_share(entry));
            if expected != entry.expected {
                on_change(entry, Some(expected));
                entry.expected = expected;
            }
            true
        });
    }
}
