//! Compares the table with a map, and tests it with concurrent readers that never wait.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::table::{Key, Record, SHARDS, Table};

/// An operation on one of a shard's keys.
#[derive(Clone, Copy, Debug)]
enum Event {
    Put,
    Remove,
    Polls,
    Tighten,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Put),
        3 => Just(Event::Remove),
        1 => Just(Event::Polls),
        1 => Just(Event::Tighten),
    ]
}

/// A key of one of two shards, with few different tags and few different remainders, so that many
/// keys are similar.
fn key() -> impl Strategy<Value = Key> {
    (0_u128..2, 0_u128..40, 0_u128..4, 0_u128..9).prop_map(|(shard, tag, bit, low)| {
        Key::new((shard * 77) << 82 | (tag * 1_600) << 66 | bit << 64 | low)
    })
}

/// A record derived from a key and a number, so that a torn record is detected.
fn record(key: Key, n: u64) -> Record {
    let mixed = (u64::try_from(key.number() & u128::from(u64::MAX)).unwrap() ^ n)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Record {
        polls: mixed,
        facts: mixed >> 2,
        start: u32::try_from(mixed >> 32).unwrap(),
    }
}

fn read(table: &Table, key: Key) -> Option<Record> {
    table.read(key).map(|seen| seen.record)
}

fn mixed_key(n: u64) -> Key {
    let spread = |n: u64| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n >> 7);
    Key::new(spread(n) << 64 | spread(!n))
}

/// All records in a map.
fn everything(table: &Table) -> BTreeMap<Key, Record> {
    (0..SHARDS)
        .flat_map(|shard| {
            let writer = table.write(shard);
            let records: Vec<_> = writer.records().collect();
            records
        })
        .map(|(key, found)| (key, found.record))
        .collect()
}

proptest! {
    #[test]
    fn the_table_is_a_map(
        events in prop::collection::vec((key(), event(), any::<u64>()), 0..900),
    ) {
        let table = Table::new();
        let mut map = BTreeMap::new();
        for (key, event, n) in events {
            let seen = table.read(key);
            prop_assert_eq!(seen.map(|seen| seen.record), map.get(&key).copied());
            if let (Event::Polls, Some(seen)) = (event, seen) {
                table.set_polls(key, &seen, n);
            }
            let writer = table.write(key.shard());
            let found = writer.find(key);
            match (event, found) {
                (Event::Put, Some(found)) => writer.set(found, record(key, n)),
                (Event::Put, None) => prop_assert!(writer.insert(key, record(key, n))),
                (Event::Polls, _) => {}
                (Event::Remove, _) => prop_assert_eq!(writer.remove(key), map.get(&key).copied()),
                (Event::Tighten, _) => writer.tighten(),
            }
            match event {
                Event::Put => {
                    map.insert(key, record(key, n));
                }
                Event::Polls => {
                    map.entry(key).and_modify(|record: &mut Record| record.polls = n);
                }
                Event::Remove => {
                    map.remove(&key);
                }
                Event::Tighten => {}
            }
            prop_assert_eq!(table.len(), map.len());
        }
        for (key, record) in &map {
            prop_assert_eq!(read(&table, *key), Some(*record));
        }
        prop_assert_eq!(everything(&table), map);
    }
}

#[test]
fn a_row_grows_by_the_group_and_shrinks_again() {
    let table = Table::new();
    // 20,000 of one shard, in random order.
    let keys: Vec<Key> = (0..20_000_u64)
        .map(|n| Key::new(mixed_key(n).number() & ((1 << 82) - 1)))
        .collect();
    for key in &keys {
        assert!(table.write(0).insert(*key, record(*key, 1)));
    }
    let slots = table.slots();
    assert!(
        keys.len() * 100 > slots * 94,
        "{slots} slots for {} records",
        keys.len()
    );
    assert!(
        keys.iter()
            .all(|key| read(&table, *key) == Some(record(*key, 1)))
    );
    for key in &keys[..15_000] {
        assert_eq!(table.write(0).remove(*key), Some(record(*key, 1)));
    }
    table.write(0).tighten();
    assert!(
        keys[..15_000]
            .iter()
            .all(|key| read(&table, *key).is_none())
    );
    assert!(
        keys[15_000..]
            .iter()
            .all(|key| read(&table, *key).is_some())
    );
    let slots = table.slots();
    assert!(5_000 * 100 > slots * 99, "{slots} slots for 5,000 records");
    // Freed groups are reused first.
    for key in &keys[..15_000] {
        assert!(
            table
                .write(1)
                .insert(Key::new(key.number() | 1 << 82), record(*key, 2))
        );
    }
    assert_eq!(table.len(), 20_000);
    let slots = table.slots();
    assert!(
        20_000 * 100 > slots * 94,
        "{slots} slots for 20,000 records"
    );
}

#[test]
fn who_reads_meanwhile_reads_nothing_torn() {
    let table = Table::new();
    // Eight shards' worth, so that rows are split, shifted, tightened and lengthened.
    let keys: Vec<Key> = (0..6_000_u64)
        .map(|n| Key::new(mixed_key(n).number() & ((1 << 85) - 1)))
        .collect();
    let lasting: Vec<Key> = (0..300_u64)
        .map(|n| Key::new(mixed_key(!n).number() & ((1 << 85) - 1)))
        .collect();
    for key in &lasting {
        assert!(table.write(key.shard()).insert(*key, record(*key, 7)));
    }
    let done = AtomicBool::new(false);
    let read = || {
        let mut seen = 0_u64;
        while !done.load(Ordering::Relaxed) || seen == 0 {
            for (n, key) in keys.iter().enumerate() {
                if let Some(found) = table.read(*key) {
                    let known = [1, 2].map(|n| record(*key, n));
                    assert!(known.contains(&found.record), "{found:?}");
                    // At another position, or a moment too late, this would tear a record.
                    table.set_polls(*key, &found, found.record.polls);
                    seen += 1;
                }
                // What nobody removes is always present.
                let key = lasting[n % lasting.len()];
                assert_eq!(read(&table, key), Some(record(key, 7)));
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        for round in 0..6 {
            for key in &keys {
                let writer = table.write(key.shard());
                match writer.find(*key) {
                    Some(_) if round % 3 == 2 => {
                        assert!(writer.remove(*key).is_some());
                        writer.tighten();
                    }
                    Some(found) => writer.set(found, record(*key, 2)),
                    None => assert!(writer.insert(*key, record(*key, 1))),
                }
            }
        }
        // The last round removed everything.
        for key in &keys[..100] {
            assert!(table.write(key.shard()).insert(*key, record(*key, 1)));
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    assert_eq!(table.len(), 400);
}

#[test]
fn two_keys_that_differ_in_any_bit_are_two() {
    let table = Table::new();
    let first = mixed_key(1);
    for bit in 0..96 {
        let key = Key::new(first.number() ^ 1 << bit);
        assert_eq!(read(&table, key), None, "bit {bit}");
        assert!(table.write(key.shard()).insert(key, record(key, bit)));
    }
    assert_eq!(read(&table, first), None);
    for bit in 0..96 {
        let key = Key::new(first.number() ^ 1 << bit);
        assert_eq!(read(&table, key), Some(record(key, bit)), "bit {bit}");
    }
}

#[test]
fn a_reader_that_meets_a_writer_who_sleeps_waits_for_it() {
    let table = Table::new();
    let key = mixed_key(3);
    let writer = table.write(key.shard());
    assert!(table.try_write(key.shard()).is_none());
    assert!(writer.insert(key, record(key, 1)));
    // Between two writes nobody waits.
    assert_eq!(read(&table, key), Some(record(key, 1)));
    drop(writer);
    assert!(table.try_write(key.shard()).is_some());
}

#[test]
fn polls_are_for_what_was_seen_and_nothing_else() {
    let table = Table::new();
    let [first, second] = [1, 2].map(|n| Key::new(n << 10));
    let seen = |key| table.read(key).unwrap();
    for key in [first, second] {
        assert!(table.write(0).insert(key, record(key, 1)));
    }
    let polled = |key, polls| Record {
        polls,
        ..record(key, 1)
    };
    table.set_polls(second, &seen(second), 5);
    assert_eq!(read(&table, second), Some(polled(second, 5)));

    // Another thread is writing.
    let writer = table.write(0);
    table.set_polls(second, &seen(second), 6);
    drop(writer);
    assert_eq!(read(&table, second), Some(polled(second, 5)));

    // The second record has moved to where the first was seen.
    let before = seen(first);
    table.write(0).remove(first);
    table.set_polls(first, &before, 7);
    assert_eq!(read(&table, first), None);
    assert_eq!(read(&table, second), Some(polled(second, 5)));
}
