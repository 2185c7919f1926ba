//! The ledger is the sum of the index's entries, whatever happens in whatever order.

use proptest::prelude::*;

use super::change::RowOrigin;
use super::memory::Memory;
use super::sweep::SweepResult;
use crate::config::Config;
use crate::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use crate::domain::certificate::hash::HashKey;
use crate::domain::certificate::{Basis, Cause, Certificate, Successor, Validity};
use crate::domain::client::following::SILENT_FOLLOWS;
use crate::domain::ledger::{Booking, Expected, Ledger};
use crate::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};
use crate::store::Change;

/// A Saturday.
const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

/// An event for one of a few certificates.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// It is drawn, stored and added, unless it exists; the feed may be faster.
    Register {
        feed_first: bool,
    },
    /// The registration fails after the draw.
    BreakOff,
    /// The feed returns the row again.
    Repeat,
    /// A look-up reads the row.
    LookUp,
    /// A client polls.
    Poll,
    Succeed,
    Unsucceed,
    Remove,
    /// Time passes.
    Wait,
    Sweep,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<bool>().prop_map(|feed_first| Event::Register { feed_first }),
        Just(Event::BreakOff),
        Just(Event::Repeat),
        Just(Event::LookUp),
        Just(Event::Poll),
        Just(Event::Succeed),
        Just(Event::Unsucceed),
        Just(Event::Remove),
        Just(Event::Wait),
        Just(Event::Sweep),
    ]
}

fn id(n: u8) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[9; 20]).unwrap(),
        serial: Serial::new(&[0x40, n]).unwrap(),
    }
}

/// The row of certificate `n` registered at `now`: long or short lifetimes, some past their band.
fn row(n: u8, now: Timestamp) -> Certificate {
    let life_seconds = [90 * DAY, 6 * DAY, 4 * DAY][usize::from(n % 3)];
    let age = if n.is_multiple_of(2) {
        0
    } else {
        life_seconds * 4 / 5
    };
    let not_before = now - age;
    let window = now + 12 * HOUR + i64::from(n) * MINUTE;
    Certificate {
        id: id(n),
        validity: Validity {
            not_before,
            not_after: not_before + (life_seconds - 1),
        },
        issued_at: not_before,
        hour_known: true,
        steered: false,
        registered_at: now,
        window: Span {
            from: window,
            to: window + 15 * MINUTE,
        },
        basis: Basis::Table(1),
        cause: Cause::Registration,
        follows: n.is_multiple_of(2).then_some(0.3),
        successor: None,
    }
}

fn booking(certificate: &Certificate, expected: Option<Expected>) -> Booking {
    let first = crate::engine::index::booking(certificate);
    Booking {
        expected: expected.unwrap_or(first.expected),
        ..first
    }
}

/// A state, and what the store would contain.
struct Model {
    memory: Memory,
    now: Timestamp,
    rows: std::collections::BTreeMap<u8, Certificate>,
    swept: Timestamp,
}

impl Model {
    fn draw(&self, certificate: &Certificate) -> Booking {
        let booking = booking(certificate, None);
        self.memory.cas[0].allocator().ledger.book(&booking);
        booking
    }

    fn repeat(&self, certificate: &Certificate) {
        let repeated = Change::Certificate(Box::new(certificate.clone()));
        let _ = self.memory.apply(repeated);
    }

    fn happen(&mut self, n: u8, event: Event) {
        let known = self.rows.get(&n).cloned();
        match (event, known) {
            (Event::Register { feed_first }, None) => {
                let new = row(n, self.now);
                self.draw(&new);
                if feed_first {
                    self.repeat(&new);
                }
                self.memory.put(&new, RowOrigin::Drawn);
                self.rows.insert(n, new);
            }
            (Event::BreakOff, _) => {
                let booking = self.draw(&row(n, self.now));
                self.memory.cas[0].allocator().ledger.unbook(&booking);
            }
            (Event::Repeat, Some(row)) => self.repeat(&row),
            (Event::LookUp, Some(row)) => self.memory.put(&row, RowOrigin::Read),
            (Event::Poll, Some(row)) => {
                let fingerprint = self.memory.index.fingerprint(&row.id);
                self.memory
                    .index
                    .poll(fingerprint, self.now, |_| 6 * HOUR, |_| ());
            }
            (Event::Succeed, Some(row)) => {
                let successor = Some(Successor::Order("order".to_owned()));
                let changed = Certificate { successor, ..row };
                self.memory.put(&changed, RowOrigin::Newest);
                self.rows.insert(n, changed);
            }
            (Event::Unsucceed, Some(row)) => {
                let changed = Certificate {
                    successor: None,
                    ..row
                };
                self.memory.put(&changed, RowOrigin::Newest);
                self.rows.insert(n, changed);
            }
            (Event::Remove, Some(row)) if row.validity.not_after >= self.swept => {
                let _ = self.memory.apply(Change::Removed(row.id));
                self.rows.remove(&n);
            }
            (Event::Wait, _) => self.now = self.now + 20 * HOUR,
            (Event::Sweep, _) => {
                self.swept = self.now - DAY;
                self.memory.sweep(
                    NOW,
                    self.now,
                    self.swept,
                    &mut SweepResult::added_to(Vec::new()),
                );
            }
            _ => {}
        }
    }

    /// The expected ledger, summed from the rows and the entries.
    fn summed(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for row in self.rows.values() {
            let fingerprint = self.memory.index.fingerprint(&row.id);
            let expected = self.memory.index.get(fingerprint, |entry| entry.expected);
            assert_eq!(expected.is_some(), row.validity.not_after >= self.swept);
            let booking = booking(row, expected);
            ledger.book(&booking);
            if row.successor.is_some() || expected.is_none() {
                ledger.retire(&booking);
            }
        }
        ledger
    }
}

/// The difference of two ledgers, in certificates.
fn difference(a: &Ledger, b: &Ledger) -> f64 {
    let mut most = (a.mean_follow(0.3) - b.mean_follow(0.3)).abs();
    for day in -100..200 {
        let from = NOW + day * DAY;
        let span = Span {
            from,
            to: from + DAY,
        };
        for (a, b) in [
            (a.windows(span), b.windows(span)),
            (a.promised(span), b.promised(span)),
            (a.issued(span), b.issued(span)),
        ] {
            most = most.max((a - b).abs());
        }
    }
    most
}

fn memory() -> Memory {
    Memory::new(Config::default(), HashKey::new([7; 16]), NOW)
}

#[test]
fn what_polls_have_shown_outlives_a_new_sum() {
    let before = memory();
    let rows = [row(0, NOW), row(2, NOW)];
    for row in &rows {
        before.put(row, RowOrigin::Newest);
    }
    let asked = before.index.fingerprint(&rows[0].id);
    before.index.poll(asked, NOW, |_| 6 * HOUR, |_| ());
    let after = memory();
    for row in &rows {
        after.put(row, RowOrigin::Newest);
    }
    after.remember_polls(&before, NOW, NOW + 27 * HOUR);
    let follow = |row: &Certificate| {
        let fingerprint = after.index.fingerprint(&row.id);
        after.index.get(fingerprint, |entry| entry.expected.follows)
    };
    let kept = after.cas[0].kept_share(NOW + 27 * HOUR);
    let off = follow(&rows[0]).flatten().unwrap() - kept;
    assert!(off.abs() < 1e-9, "{off}");
    assert_eq!(follow(&rows[1]), Some(Some(SILENT_FOLLOWS)));
}

#[test]
fn a_stale_row_does_not_undo_what_the_feed_brought() {
    let memory = memory();
    let drawn = row(0, NOW);
    memory.cas[0]
        .allocator()
        .ledger
        .book(&booking(&drawn, None));
    let replaced = Certificate {
        successor: Some(Successor::By(id(2))),
        ..drawn.clone()
    };
    // The feed is faster than the answer to the registration, and reports a successor.
    memory.put(&replaced, RowOrigin::Newest);
    memory.put(&drawn, RowOrigin::Drawn);
    memory.put(&drawn, RowOrigin::Read);
    let all = Span {
        from: NOW,
        to: NOW + DAY,
    };
    assert!(memory.cas[0].allocator().ledger.windows(all).abs() < 1e-9);
}

proptest! {
    #[test]
    fn the_ledger_is_the_sum_of_what_the_index_holds(
        events in prop::collection::vec((0_u8..6, event()), 0..80),
    ) {
        let mut model = Model {
            memory: memory(),
            now: NOW,
            rows: std::collections::BTreeMap::new(),
            swept: Timestamp::MIN,
        };
        for (n, event) in events {
            model.happen(n, event);
            let allocator = model.memory.cas[0].allocator();
            let off = difference(&allocator.ledger, &model.summed());
            prop_assert!(off < 1e-9, "{off} certificates off after {event:?} of {n}");
        }
    }
}
