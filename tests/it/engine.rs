//! The engine on real databases: registration, replicas, restarts, the feed, explanations.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use offpeak::config::Config;
use offpeak::domain::allocation::table::{StoredTable, Table};
use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::names::Names;
use offpeak::domain::certificate::{Basis, Submission, Successor, Validity};
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};
use offpeak::engine::clock::{Clock, ManualClock};
use offpeak::engine::verdict::Verdict;
use offpeak::engine::{Engine, Miss};
use offpeak::store::{Migrations, Registration, Succession, connect};

use crate::support::{Database, databases, fresh_sqlite};

mod closing;
mod flood;
mod interrupted;
mod lifecycle;
mod namesakes;
mod polls;
mod publishing;
mod resuming;
mod returning;
mod sharing;
mod summing;
mod turns;
mod windows;

/// A Saturday at 10:00 UTC.
const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

struct Service {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
}

async fn replica(database: &Database, config: Config) -> Service {
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let engine = Engine::open(store, config, as_clock).await.unwrap();
    Service { engine, clock }
}

fn certid(n: u64) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[9; 20]).unwrap(),
        serial: Serial::new(&[&[0x40], n.to_be_bytes().as_slice()].concat()).unwrap(),
    }
}

fn ninety_days(n: u64) -> Submission {
    issued(n, NOW, 90 * DAY)
}

fn issued(n: u64, not_before: Timestamp, life_seconds: i64) -> Submission {
    Submission {
        id: certid(n),
        validity: Validity {
            not_before,
            not_after: not_before + (life_seconds - 1),
        },
        issued_at: None,
        replaces: None,
        names: Names::default(),
    }
}

async fn window(engine: &Arc<Engine>, n: u64) -> Span {
    engine.renewal_info(&certid(n)).await.unwrap().window
}
