//! One suite, two stores: everything that [`Store`] promises, asked of SQLite and of PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::{Basis, Cause, Certificate, Validity};
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::moves::incident::{Incident, Kind as About, State, Step};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};
use offpeak::store::{
    Change, FeedPosition, IdRange, Load, Migrations, Move, Registered, Registration, Store,
    StoreError, connect,
};

use crate::support::open_connection;

mod batches;
mod bulk;
mod certificates;
mod connections;
mod delivery;
mod distributing;
mod export;
mod feed;
mod files;
mod full;
mod gateway;
mod incidents;
mod interleaving;
mod learned;
mod migrations;
mod model;
mod moves;
mod names;
mod outbox_model;
mod planned;
mod polls;
mod publications;
mod purge;
mod ranges;
mod rates;
mod replicas;
mod round_trips;
mod sources;
mod together;
mod upgrading;
mod whole;
mod windows;

/// Runs each test against both stores, with a new database each.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let database = crate::support::fresh_sqlite();
                super::$test(&database.url()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(database) = crate::support::fresh_postgres().await {
                    super::$test(&database.url()).await;
                }
            })+
        }
    };
}
use on_both_stores;

/// The same, and through a pooler that hands out connections by transaction.
macro_rules! on_one_server {
    ($($test:ident),+ $(,)?) => {
        crate::store::on_both_stores!($($test),+);
        mod pooled {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let Some(database) = crate::support::fresh_postgres().await else {
                    return;
                };
                if let Some(pooler) = crate::pooler::Pooler::before(&database.url()).await {
                    super::$test(&pooler.url()).await;
                }
            })+
        }
    };
}
use on_one_server;

/// The same, and against the test double of a distributed PostgreSQL, which must have nothing to refuse.
macro_rules! on_all_stores {
    ($($test:ident),+ $(,)?) => {
        crate::store::on_one_server!($($test),+);
        mod sharded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(database) = crate::support::fresh_postgres().await {
                    let sharded = crate::sharded::Sharded::before(&database.url()).await;
                    super::$test(&sharded.url()).await;
                    assert_eq!(sharded.refused(), [""; 0]);
                }
            })+
        }
    };
}
use on_all_stores;

/// 2026-11-16T00:00:00Z, a Monday.
const START: i64 = 1_794_787_200;

async fn open(url: &str) -> Arc<dyn Store> {
    connect(url, Migrations::RefusePending).await.unwrap()
}

fn id(serial: u32) -> CertId {
    // Two issuers, and serials of different lengths.
    let octets = serial.to_be_bytes();
    let length = if serial.is_multiple_of(3) { 4 } else { 21 };
    let mut serial_octets = octets.to_vec();
    serial_octets.resize(length, 0x5a);
    CertId {
        key_identifier: KeyIdentifier::new(&[u8::from(serial.is_multiple_of(2)) + 1; 20]).unwrap(),
        serial: Serial::new(&serial_octets).unwrap(),
    }
}

fn certificate(serial: u32) -> Certificate {
    let not_before = Timestamp::from_unix(START + i64::from(serial));
    Certificate {
        id: id(serial),
        validity: Validity {
            not_before,
            not_after: not_before + 90 * DAY - 1,
        },
        issued_at: not_before + HOUR,
        hour_known: !serial.is_multiple_of(5),
        steered: serial.is_multiple_of(7),
        registered_at: not_before + 2 * HOUR,
        window: Span {
            from: not_before + 59 * DAY,
            to: not_before + 59 * DAY + 900,
        },
        cause: match serial % 3 {
            0 => Cause::Registration,
            1 => Cause::Incident(i64::from(serial)),
            _ => Cause::Rebalance(i64::from(serial)),
        },
        follows: (!serial.is_multiple_of(4)).then_some(f64::from(serial % 5) / 4.0),
        basis: if serial.is_multiple_of(2) {
            Basis::Table(i64::from(serial))
        } else if serial.is_multiple_of(3) {
            Basis::Plain(Span {
                from: not_before + DAY,
                to: not_before + 3 * DAY,
            })
        } else if serial.is_multiple_of(5) {
            Basis::Tick(not_before + DAY)
        } else {
            Basis::Span(Span {
                from: not_before + DAY,
                to: not_before + 2 * DAY,
            })
        },
        successor: None,
    }
}

fn certificates(serials: std::ops::Range<u32>) -> Vec<Certificate> {
    serials.map(certificate).collect()
}

fn observation(minute: i64) -> Observation {
    let at = Timestamp::from_unix(START + minute * 60);
    Observation::plain(at, Source::Ca, Kind::Issued, minute.unsigned_abs())
}

fn incident(name: &str) -> Incident {
    let at = Timestamp::from_unix(START);
    Incident::draft(
        About::Outage,
        "example".parse().unwrap(),
        name.to_owned(),
        at,
    )
}

/// The move of a certificate as [`certificate`] makes it, by so many seconds.
fn moved_by(serial: u32, seconds: i64) -> Move {
    let from = certificate(serial).window;
    let to = Span {
        from: from.from + seconds,
        to: from.to + seconds,
    };
    Move {
        id: id(serial),
        from,
        to,
        basis: match serial % 4 {
            0 => Basis::Plain(to),
            1 => Basis::Span(to),
            2 => Basis::Tick(to.to),
            _ => Basis::Table(seconds),
        },
        cause: if serial.is_multiple_of(2) {
            Cause::Incident(seconds)
        } else {
            Cause::Rebalance(seconds)
        },
    }
}

/// The certificate after this move.
fn after(one: &Move, certificate: Certificate) -> Certificate {
    Certificate {
        window: one.to,
        basis: one.basis,
        cause: one.cause,
        ..certificate
    }
}

/// Asks again where the store is busy, as clients do: SQLite's lock goes to whoever looks when it is
/// free, and in a crowd of writers one may look in vain until its patience ends.
async fn patiently<T, F>(mut step: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match step().await {
            Err(StoreError::Unavailable { query: "begin", .. }) => {}
            done => return done.unwrap(),
        }
    }
}

async fn register(store: &dyn Store, certificates: &[Certificate]) -> Vec<Registered> {
    let registration = Registration {
        certificates,
        ..Registration::default()
    };
    patiently(|| store.register(registration)).await
}

/// How many of these were inserted.
fn inserted(outcomes: &[Registered]) -> usize {
    outcomes
        .iter()
        .filter(|outcome| **outcome == Registered::Inserted)
        .count()
}

/// A process as it follows the feed: it applies what it is told and counts each batch once.
#[derive(Debug, Default)]
struct Reader {
    position: FeedPosition,
    certificates: BTreeMap<CertId, Certificate>,
    batches: BTreeMap<i64, Vec<Observation>>,
    incidents: BTreeMap<i64, Incident>,
    polls: BTreeMap<u128, u64>,
    forgotten: usize,
    lost: usize,
    told: usize,
}

impl Reader {
    async fn load(store: &dyn Store) -> Self {
        Self::load_from(store, Timestamp::MIN).await
    }

    async fn load_from(store: &dyn Store, observed_from: Timestamp) -> Self {
        let mut changes = Vec::new();
        let position = store
            .load(Load::Everything, observed_from, &mut |change| {
                changes.push(change);
            })
            .await
            .unwrap();
        let mut reader = Self::default();
        reader.apply(changes, position);
        reader
    }

    /// Reads on; how many changes there were.
    async fn follow(&mut self, store: &dyn Store) -> usize {
        let mut changes = Vec::new();
        let position = store
            .changes(self.position, &mut |change| changes.push(change))
            .await
            .unwrap();
        let told = changes.len();
        self.apply(changes, position);
        told
    }

    fn apply(&mut self, changes: Vec<Change>, position: FeedPosition) {
        let counted: BTreeSet<i64> = self.batches.keys().copied().collect();
        self.told += changes.len();
        for change in changes {
            match change {
                Change::Certificate(certificate) => {
                    self.certificates
                        .insert(certificate.id.clone(), *certificate);
                }
                Change::Forgotten(_) => self.forgotten += 1,
                Change::Observed { batch, .. } if counted.contains(&batch) => {}
                Change::Observed {
                    batch, observation, ..
                } => {
                    self.batches.entry(batch).or_default().push(observation);
                }
                Change::Incident(incident) => {
                    self.incidents.insert(incident.id, *incident);
                }
                Change::Lost => self.lost += 1,
                Change::Polls {
                    fingerprint,
                    record,
                } => {
                    self.polls.insert(fingerprint, record);
                }
                Change::Removed(id) => {
                    self.certificates.remove(&id);
                }
            }
        }
        self.position = position;
    }

    fn observations(&self) -> Vec<Observation> {
        self.batches.values().flatten().cloned().collect()
    }
}
