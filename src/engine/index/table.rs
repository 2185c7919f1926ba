//! Fixed-size records by a keyed hash, at 31 octets each and read without locks.
//!
//! | what | octets a record |
//! |---|---|
//! | a slot: 16 bits of tag, 64 of key, 64 of polls, 64 of facts (two of them the key's), 32 of start | 30 |
//! | slots that are empty: 3 % of a row, as it grows by a group at a time | 1.0 |
//! | the directory: four octets for each group of 16 slots, rows as long as the longest | 0.3 |
//! | locks and versions of 2^14 shards, half a huge page, the list of slabs, at ten million | 0.2 |
//! | together, and as measured at ten million by `cargo bench --bench index` | 31.5 |
//!
//! A key is 96 bits. The first 14 name the shard, and are in no slot. A shard is one row of the
//! directory: groups of 16 slots, all in the order of keys, so the next 16 bits, the tag, tell
//! nearly where a key is, and a search reads the row, one or two groups' tags and one slot.
//!
//! Of each shard there is one writer at a time, by its lock, and a version that is odd while it
//! writes. Who reads takes the version, reads, and takes it again: where it differs or was odd,
//! once more. Everything read is an atomic number that never moves, so a read that overlaps a write
//! brings numbers that are thrown away. Rarely, where a writer was put to sleep amid its write, a
//! reader waits for the lock: to spin would keep the writer from waking.
//!
//! A slot in a full group is made free by carrying one record over from each group to the next, as
//! far as one with a free slot, twelve groups at most; else the group is split. So rows stay
//! nearly full, and no growth moves more than a few kilobytes.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use arc_swap::{ArcSwap, Guard};
use prefetch_index::prefetch_index;

use super::key::SHARD_BITS;
use super::pages::Pages;
use super::row::{Found, Row, Spot};

pub(super) use super::key::{Key, Record};

/// The number of shards: 600 records each for ten million. Their locks and versions take 200 kB.
pub(super) const SHARDS: usize = 1 << SHARD_BITS;
/// Failed read attempts before a reader waits for the writer. Each takes some tens of nanoseconds,
/// a write some hundreds.
const TRIES: u32 = 64;

/// The records, by key.
#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[Shard]>,
    directory: ArcSwap<Directory>,
    /// Writers hold a read lock; making the directory's rows longer takes the write lock.
    growing: RwLock<()>,
    pages: Pages,
    len: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    writer: Mutex<()>,
    /// Odd while the row or its slots are being written.
    version: AtomicU32,
}

impl Shard {
    /// Marks the shard as changing, so that readers discard what they read meanwhile. Only the
    /// writer calls it.
    fn changing<R>(&self, change: impl FnOnce() -> R) -> R {
        let before = self.version.load(Ordering::Relaxed);
        self.version
            .store(before.wrapping_add(1), Ordering::Relaxed);
        // Writes become visible after the odd version and before the even one.
        fence(Ordering::Release);
        let outcome = change();
        self.version
            .store(before.wrapping_add(2), Ordering::Release);
        outcome
    }
}

/// A record with its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) record: Record,
    spot: Spot,
    /// The shard's version at that moment.
    version: u32,
}

/// A row for each shard.
#[derive(Debug)]
struct Directory {
    /// Cells in a row.
    stride: usize,
    cells: Box<[AtomicU32]>,
}

impl Directory {
    fn new(stride: usize) -> Self {
        Self {
            stride,
            cells: (0..SHARDS * stride).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    fn row(&self, shard: usize) -> &[AtomicU32] {
        &self.cells[shard * self.stride..][..self.stride]
    }
}

/// A shard locked for writing.
pub(super) struct Writer<'a> {
    table: &'a Table,
    directory: Guard<Arc<Directory>>,
    number: usize,
    _alone: MutexGuard<'a, ()>,
    _growing: RwLockReadGuard<'a, ()>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            directory: ArcSwap::from_pointee(Directory::new(4)),
            growing: RwLock::default(),
            pages: Pages::new(),
            len: AtomicUsize::new(0),
        }
    }

    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// The number of slots in the groups of all rows.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        (0..SHARDS)
            .map(|shard| self.write(shard).row().slots())
            .sum()
    }

    /// Prefetches the memory that [`Table::read`] will read.
    pub(super) fn prefetch(&self, key: Key) {
        prefetch_index(&self.shards, key.shard());
        let directory = self.directory.load();
        Row::new(directory.row(key.shard()), &self.pages).prefetch(key);
    }

    /// The record of a key.
    pub(super) fn read(&self, key: Key) -> Option<Seen> {
        let shard = &self.shards[key.shard()];
        let seen = |found: Found, version| Seen {
            record: found.record,
            spot: found.spot,
            version,
        };
        for _ in 0..TRIES {
            let before = shard.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let directory = self.directory.load();
                let found = Row::new(directory.row(key.shard()), &self.pages).find(key);
                fence(Ordering::Acquire);
                if shard.version.load(Ordering::Relaxed) == before {
                    return found.map(|found| seen(found, before));
                }
            }
            std::hint::spin_loop();
        }
        let writer = self.write(key.shard());
        let version = shard.version.load(Ordering::Relaxed);
        writer.find(key).map(|found| seen(found, version))
    }

    /// Replaces the polls of a key if they are still those `seen`. Does nothing if another thread
    /// is writing to the shard or has done so since, so that it never waits and never searches
    /// again.
    pub(super) fn set_polls(&self, key: Key, seen: &Seen, polls: u64) {
        let shard = &self.shards[key.shard()];
        // Rows may be made longer at this moment. That is no problem, because slots do not move.
        if let Ok(_alone) = shard.writer.try_lock()
            && shard.version.load(Ordering::Relaxed) == seen.version
            && let Some(group) = self.pages.group(seen.spot.group)
        {
            shard.changing(|| group.set_polls(seen.spot.slot, polls));
        }
    }

    /// Locks a shard for writing.
    pub(super) fn write(&self, shard: usize) -> Writer<'_> {
        loop {
            let growing = self.growing.read().unwrap_or_else(PoisonError::into_inner);
            let alone = self.shards[shard].writer.lock();
            let alone = alone.unwrap_or_else(PoisonError::into_inner);
            let writer = Writer {
                table: self,
                directory: self.directory.load(),
                number: shard,
                _alone: alone,
                _growing: growing,
            };
            if writer.row().has_room() {
                return writer;
            }
            let stride = writer.directory.stride;
            drop(writer);
            self.lengthen(stride);
        }
    }

    /// Locks a shard for writing, unless it is locked.
    pub(super) fn try_write(&self, shard: usize) -> Option<Writer<'_>> {
        let growing = self.growing.try_read().ok()?;
        let alone = self.shards[shard].writer.try_lock().ok()?;
        Some(Writer {
            table: self,
            directory: self.directory.load(),
            number: shard,
            _alone: alone,
            _growing: growing,
        })
    }

    /// Makes the rows longer than `stride`. This copies for some milliseconds, and happens about
    /// thirty times on the way to a hundred million. Readers of the old rows still see correct
    /// data; later writes go to the new rows and change a version.
    fn lengthen(&self, stride: usize) {
        let _alone = self.growing.write().unwrap_or_else(PoisonError::into_inner);
        let old = self.directory.load();
        if old.stride > stride {
            return;
        }
        let new = Directory::new(stride + (stride / 8).max(2));
        for shard in 0..SHARDS {
            for (to, from) in new.row(shard).iter().zip(old.row(shard)) {
                to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        self.directory.store(Arc::new(new));
    }
}

impl Writer<'_> {
    fn row(&self) -> Row<'_> {
        Row::new(self.directory.row(self.number), &self.table.pages)
    }

    fn changing<R>(&self, change: impl FnOnce(Row<'_>) -> R) -> R {
        self.table.shards[self.number].changing(|| change(self.row()))
    }

    pub(super) fn find(&self, key: Key) -> Option<Found> {
        self.row().find(key)
    }

    /// Replaces a record at its position; nothing may have been written since it was found.
    pub(super) fn set(&self, found: Found, record: Record) {
        self.changing(|row| row.set(found.place, record));
    }

    /// Inserts a record whose key is not present; returns whether there was room among the 10^9
    /// slots.
    pub(super) fn insert(&self, key: Key, record: Record) -> bool {
        let done = self.changing(|row| row.insert(key, record));
        self.table
            .len
            .fetch_add(usize::from(done), Ordering::Relaxed);
        done
    }

    /// Appends a record whose key is above all others of the shard; returns whether there was room.
    pub(super) fn append(&self, key: Key, record: Record) -> bool {
        let done = self.changing(|row| row.append(key, record));
        self.table
            .len
            .fetch_add(usize::from(done), Ordering::Relaxed);
        done
    }

    /// Removes a record.
    pub(super) fn remove(&self, key: Key) -> Option<Record> {
        let found = self.find(key)?;
        self.changing(|row| row.remove(found.place));
        self.table.len.fetch_sub(1, Ordering::Relaxed);
        Some(found.record)
    }

    /// All records, in the order of their keys.
    pub(super) fn records(&self) -> impl Iterator<Item = (Key, Found)> {
        self.row().records(self.number)
    }

    /// Frees groups if many slots are empty.
    pub(super) fn tighten(&self) {
        if self.row().is_loose() {
            self.changing(|row| {
                row.tighten();
            });
        }
    }
}
