//! The index in a file, so that a restart need not read every certificate from the store.
//!
//! The file begins with a header with the key and the data besides the index. Then, shard by shard,
//! follow the records in the order of keys, 30 octets each as in memory, and the oversized entries;
//! then the issuers and the kinds; then a length and a checksum. It is written while everything
//! else continues. Changes in the meantime come from the change feed, read from the position in the
//! header; applying a change twice has no effect.

use std::io::{self, Read, Write};

use super::certificates::Index;
use super::entry::{Came, Entry};
use super::extras::SnapshotExtras;
use super::fingerprint::Fingerprint;
use super::pages::Slot;
use super::sealed::{ChecksumReader, ChecksumWriter, SEAL_OCTETS};
use super::shared_fields::Kind;
use super::table::{Key, Record, SHARDS};
use super::unusable::{Unusable, torn};
use crate::domain::certificate::Validity;
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::certificate::hash::HashKey;
use crate::domain::client::schedule::{Polls, Response};
use crate::domain::ledger::Expected;
use crate::domain::time::{Span, Timestamp};
use crate::engine::index::group::{Group, Renewal};

/// The first octets of the file; the last of them are the format version.
const MAGIC: [u8; 8] = *b"offpix\x00\x03";

/// What an index file belongs to, and its age.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) struct Header {
    /// Identifies the assignment of issuers to CAs.
    pub(in crate::engine) claims: i64,
    /// It contains all changes up to this position.
    pub(in crate::engine) position: i64,
    /// When it was written.
    pub(in crate::engine) written_at: Timestamp,
}

/// The content of an index file.
#[derive(Debug)]
pub(in crate::engine) struct Snapshot {
    pub(in crate::engine) header: Header,
    pub(in crate::engine) extras: SnapshotExtras,
    pub(in crate::engine) key: HashKey,
    pub(in crate::engine) index: Index,
}

impl Index {
    /// Writes everything; returns the number of certificates. Each shard is locked only while its
    /// records are copied.
    pub(in crate::engine) fn write_to(
        &self,
        out: impl Write,
        header: Header,
        extras: &SnapshotExtras,
    ) -> io::Result<u64> {
        let mut out = ChecksumWriter::new(out);
        out.put(&MAGIC)?;
        out.put(&self.key.octets())?;
        out.number(header.claims)?;
        out.number(header.position)?;
        out.number(header.written_at.unix())?;
        extras.write_to(&mut out)?;
        let mut written = 0;
        for shard in 0..SHARDS {
            // Entries move between the table and the overflow only while their shard is locked.
            let (records, overflow) = {
                let writer = self.table.write(shard);
                let records = writer.records().map(|(key, found)| (key, found.record));
                (records.collect::<Vec<_>>(), self.overflow.of(shard))
            };
            for count in [records.len(), overflow.len()] {
                out.put(&u32::try_from(count).unwrap_or(0).to_le_bytes())?;
                written += count as u64;
            }
            for (key, record) in &records {
                out.put(&octets(*key, *record))?;
            }
            for (fingerprint, entry) in &overflow {
                out.put(&fingerprint.number().to_le_bytes())?;
                for number in numbers(entry) {
                    out.number(number)?;
                }
            }
        }
        // Last, so that every kind and issuer that a record refers to exists by now.
        self.write_issuers(&mut out)?;
        let shared_fields = self.shared_fields.all();
        out.number(i64::try_from(shared_fields.len()).unwrap_or(0))?;
        for kind in &shared_fields {
            write_kind(&mut out, kind)?;
        }
        out.seal()?.flush()?;
        Ok(written)
    }

    /// Reads what [`Index::write_to`] wrote: a stream of this many octets. `of` is the key of the
    /// expected store, if known.
    pub(in crate::engine) fn read_from(
        input: impl Read,
        octets: u64,
        of: Option<HashKey>,
    ) -> Result<Snapshot, Unusable> {
        if octets < SEAL_OCTETS {
            return Err(Unusable::Damaged);
        }
        let mut input = ChecksumReader::new(input, octets);
        let magic: [u8; 8] = input.take().map_err(torn)?;
        if magic != MAGIC {
            return Err(if magic[..6] == MAGIC[..6] {
                Unusable::OtherVersion
            } else {
                Unusable::Damaged
            });
        }
        let key = HashKey::new(input.take().map_err(torn)?);
        if of.is_some_and(|of| of != key) {
            return Err(Unusable::OtherKey);
        }
        let mut numbers = || input.number().map_err(torn);
        let header = Header {
            claims: numbers()?,
            position: numbers()?,
            written_at: Timestamp::from_unix(numbers()?),
        };
        let extras = SnapshotExtras::read_from(&mut input)?;
        let index = Self::new(key);
        for shard in 0..SHARDS {
            index.read_shard(shard, &mut input)?;
        }
        index.read_issuers(&mut input)?;
        let shared_fields = input.number().map_err(torn)?;
        for number in 0..shared_fields {
            let kind = read_kind(&mut input)?;
            let there = index.shared_fields.number(kind);
            if there.map(i64::from) != Some(number) {
                return Err(Unusable::Damaged);
            }
        }
        if !input.finish().map_err(torn)? {
            return Err(Unusable::Damaged);
        }
        Ok(Snapshot {
            header,
            extras,
            key,
            index,
        })
    }

    fn read_shard(
        &self,
        shard: usize,
        input: &mut ChecksumReader<impl Read>,
    ) -> Result<(), Unusable> {
        let count = u32::from_le_bytes(input.take().map_err(torn)?);
        let overflow = u32::from_le_bytes(input.take().map_err(torn)?);
        let mut before = None;
        for _ in 0..count {
            let (key, record) = of_octets(shard, input.take().map_err(torn)?);
            if before.is_some_and(|before| before >= key) {
                return Err(Unusable::Damaged);
            }
            before = Some(key);
            if !self.table.write(shard).append(key, record) {
                return Err(Unusable::Damaged);
            }
        }
        for _ in 0..overflow {
            let fingerprint = u128::from_le_bytes(input.take().map_err(torn)?);
            let mut numbers = [0; WIDE_NUMBERS];
            for number in &mut numbers {
                *number = input.number().map_err(torn)?;
            }
            let entry = entry_of(numbers).ok_or(Unusable::Damaged)?;
            self.overflow.insert(Fingerprint::of(fingerprint), entry);
        }
        Ok(())
    }

    fn write_issuers(&self, out: &mut ChecksumWriter<impl Write>) -> io::Result<()> {
        let issuers = self.issuers.counts();
        out.number(i64::try_from(issuers.len()).unwrap_or(0))?;
        for (issuer, count) in &issuers {
            let octets = issuer.octets();
            out.put(&[u8::try_from(octets.len()).unwrap_or(0)])?;
            out.put(octets)?;
            out.put(&count.to_le_bytes())?;
        }
        Ok(())
    }

    fn read_issuers(&self, input: &mut ChecksumReader<impl Read>) -> Result<(), Unusable> {
        for _ in 0..input.number().map_err(torn)? {
            let [length] = input.take().map_err(torn)?;
            let mut octets = vec![0; usize::from(length)];
            input.fill(&mut octets).map_err(torn)?;
            let issuer = KeyIdentifier::new(&octets).map_err(|_| Unusable::Damaged)?;
            let count = u64::from_le_bytes(input.take().map_err(torn)?);
            self.issuers.add(&issuer, count);
        }
        Ok(())
    }
}

/// The octets of a record, with the bits of its key that the shard's number does not contain.
fn octets(key: Key, record: Record) -> [u8; 30] {
    let mut octets = [0; 30];
    let slot = key.slot(record);
    octets[..2].copy_from_slice(&slot.tag.to_le_bytes());
    octets[2..10].copy_from_slice(&slot.low.to_le_bytes());
    octets[10..18].copy_from_slice(&slot.polls.to_le_bytes());
    octets[18..26].copy_from_slice(&slot.facts.to_le_bytes());
    octets[26..].copy_from_slice(&slot.start.to_le_bytes());
    octets
}

fn of_octets(shard: usize, octets: [u8; 30]) -> (Key, Record) {
    let [a, b, rest @ ..] = octets;
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&rest[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let mut start = [0; 4];
    start.copy_from_slice(&rest[24..]);
    let slot = Slot {
        tag: u16::from_le_bytes([a, b]),
        low: word(0),
        polls: word(8),
        facts: word(16),
        start: u32::from_le_bytes(start),
    };
    (Key::of(shard, slot), slot.record())
}

fn write_kind(out: &mut ChecksumWriter<impl Write>, kind: &Kind) -> io::Result<()> {
    let flags = u8::from(kind.group == Group::Control)
        | u8::from(kind.hour_known) << 1
        | u8::from(kind.steered) << 2;
    out.put(&kind.ca.to_le_bytes())?;
    out.put(&kind.lag_hours.to_le_bytes())?;
    out.put(&kind.life_seconds.to_le_bytes())?;
    out.put(&kind.window_seconds.to_le_bytes())?;
    out.put(&kind.moved_by.to_le_bytes())?;
    out.put(&[kind.follows.unwrap_or(u8::MAX), flags])
}

fn read_kind(input: &mut ChecksumReader<impl Read>) -> Result<Kind, Unusable> {
    let mut kind = Kind {
        ca: u16::from_le_bytes(input.take().map_err(torn)?),
        lag_hours: i16::from_le_bytes(input.take().map_err(torn)?),
        life_seconds: u32::from_le_bytes(input.take().map_err(torn)?),
        window_seconds: u32::from_le_bytes(input.take().map_err(torn)?),
        moved_by: u32::from_le_bytes(input.take().map_err(torn)?),
        follows: None,
        group: Group::Steered,
        hour_known: false,
        steered: false,
    };
    let [follows, flags] = input.take().map_err(torn)?;
    kind.follows = (follows != u8::MAX).then_some(follows);
    if flags & 1 == 1 {
        kind.group = Group::Control;
    }
    kind.hour_known = flags >> 1 & 1 == 1;
    kind.steered = flags >> 2 & 1 == 1;
    Ok(kind)
}

/// The numbers that describe an oversized entry.
const WIDE_NUMBERS: usize = 13;

fn numbers(entry: &Entry) -> [i64; WIDE_NUMBERS] {
    let flags = [
        entry.hour_known,
        entry.steered,
        entry.replaced,
        entry.polled_since_move,
        entry.news,
        entry.known,
        entry.group == Group::Control,
        entry.came == Came::Replaced,
        entry.follows.is_some(),
        entry.expected.follows.is_some(),
        entry.renewal == Renewal::After || entry.renewal == Renewal::InWindow,
        entry.renewal == Renewal::Before || entry.renewal == Renewal::InWindow,
    ];
    let flags = (0..).zip(flags).map(|(bit, flag)| i64::from(flag) << bit);
    let real = |follows: Option<f64>| follows.unwrap_or(0.0).to_bits().cast_signed();
    [
        entry.ca.into(),
        entry.validity.not_before.unix(),
        entry.validity.not_after.unix(),
        entry.issued_at.unix(),
        entry.registered_at.unix(),
        entry.window.from.unix(),
        entry.window.to.unix(),
        entry.moved_by.into(),
        real(entry.follows),
        real(entry.expected.follows),
        super::quantized::schedule_code(entry.expected.response.schedule()).into(),
        entry.polls.packed().cast_signed(),
        flags.sum(),
    ]
}

fn entry_of(numbers: [i64; WIDE_NUMBERS]) -> Option<Entry> {
    let [
        ca,
        not_before,
        not_after,
        issued_at,
        registered_at,
        from,
        to,
        moved_by,
        follows,
        expected,
        schedule,
        polls,
        flags,
    ] = numbers;
    let at = Timestamp::from_unix;
    let flag = |bit: u32| flags >> bit & 1 == 1;
    let real = |bits: i64, bit| flag(bit).then(|| f64::from_bits(bits.cast_unsigned()));
    Some(Entry {
        ca: u16::try_from(ca).ok()?,
        validity: Validity {
            not_before: at(not_before),
            not_after: at(not_after),
        },
        issued_at: at(issued_at),
        registered_at: at(registered_at),
        window: Span {
            from: at(from),
            to: at(to),
        },
        hour_known: flag(0),
        steered: flag(1),
        replaced: flag(2),
        polled_since_move: flag(3),
        news: flag(4),
        known: flag(5),
        group: if flag(6) {
            Group::Control
        } else {
            Group::Steered
        },
        came: if flag(7) { Came::Replaced } else { Came::Live },
        renewal: match (flag(10), flag(11)) {
            (false, false) => Renewal::Unknown,
            (true, false) => Renewal::After,
            (false, true) => Renewal::Before,
            (true, true) => Renewal::InWindow,
        },
        moved_by: u32::try_from(moved_by).ok()?,
        follows: real(follows, 8),
        expected: Expected {
            follows: real(expected, 9),
            response: Response::of(super::quantized::rhythm_of(u16::try_from(schedule).ok()?)),
        },
        polls: Polls::from_packed(polls.cast_unsigned()),
    })
}
