//! The control group, the shadow and rebalances: configured, run, reported.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::names::Names;
use offpeak::domain::certificate::{Submission, Validity};
use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::Engine;
use offpeak::engine::clock::{Clock, ManualClock};
use offpeak::engine::verdict::Verdict;
use offpeak::store::{Migrations, connect};

mod advice;
mod cohorts;
mod config;
mod operating;
mod rebalance;
mod shadow;

/// A Saturday at 10:00 UTC.
const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

struct Service {
    engine: Arc<Engine>,
    clock: Arc<ManualClock>,
}

async fn service(url: &str, config: &Config) -> Service {
    service_at(NOW, url, config).await
}

async fn service_at(now: Timestamp, url: &str, config: &Config) -> Service {
    let store = connect(url, Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(now));
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let engine = Engine::open(store, config.clone(), as_clock).await.unwrap();
    Service { engine, clock }
}

/// The configuration of one CA, `x`, which takes every issuer, and these lines.
fn one_ca(lines: &str) -> Config {
    Config::parse(&format!("[[ca]]\nname = \"default\"\n{lines}")).unwrap()
}

fn certid(n: u64) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[9; 20]).unwrap(),
        serial: Serial::new(&[&[0x40], n.to_be_bytes().as_slice()].concat()).unwrap(),
    }
}

/// A certificate of 90 days, issued then.
fn issued(n: u64, not_before: Timestamp) -> Submission {
    Submission {
        id: certid(n),
        validity: Validity {
            not_before,
            not_after: not_before + (90 * DAY - 1),
        },
        issued_at: Some(not_before),
        replaces: None,
        names: Names::default(),
    }
}

async fn register(engine: &Engine, submissions: &[Submission]) {
    for batch in submissions.chunks(1_000) {
        let verdicts = engine.register(batch, None).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
    }
}
