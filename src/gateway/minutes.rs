//! The gateway's counts by the minute, passed to the demand model as the CA's own counters (source
//! `ca`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::domain::acme::Endpoint;
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::demand::onset::{ONSET_SECONDS, halves};
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp};
use crate::engine::{Engine, EngineError};
use crate::store::ClosedBatch;

/// Latencies kept for each endpoint and minute: the median and the 95th percentile of a thousand are
/// off by a few per cent of a rank at most.
const MOST_LATENCIES: usize = 1_000;

/// Minutes that wait for a store that is away: four hours of a CA that fails in twenty ways are some
/// 10 MB at most; older ones are dropped, and are unknown then, not zero.
const MOST_MINUTES: usize = 240;

/// Error types told apart in a minute; further ones count as `other`, so that an upstream cannot fill
/// memory with types that it makes up.
const MOST_ERROR_TYPES: usize = 32;

/// Whether an order is the first try or comes again after a failure.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Try {
    First,
    Again,
}

/// Where an attempt failed.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum At {
    /// The order was refused.
    NewOrder(Try),
    /// After it was made: its validation, or its finalization.
    Later,
}

/// One gateway's counters.
#[derive(Debug)]
pub(super) struct Minutes {
    ca: CaName,
    open: Mutex<BTreeMap<Timestamp, Minute>>,
}

#[derive(Debug, Default)]
struct Minute {
    attempts: HashMap<Try, u64>,
    /// Of the first tries, those in the first half minute of an hour.
    at_once: u64,
    issued: u64,
    failed: BTreeMap<(At, String), u64>,
    requests: HashMap<Endpoint, Latencies>,
}

#[derive(Debug, Default)]
struct Latencies {
    seen: usize,
    milliseconds: Vec<f64>,
}

impl Minutes {
    pub(super) fn of(ca: CaName) -> Self {
        Self {
            ca,
            open: Mutex::default(),
        }
    }

    /// A request for a certificate.
    pub(super) fn attempt(&self, now: Timestamp, which: Try) {
        self.count(now, |minute| {
            *minute.attempts.entry(which).or_default() += 1;
            let at_once = now.second_of_day() % HOUR < ONSET_SECONDS && which == Try::First;
            minute.at_once += u64::from(at_once);
        });
    }

    /// A certificate was issued.
    pub(super) fn issued(&self, now: Timestamp) {
        self.count(now, |minute| minute.issued += 1);
    }

    /// An attempt failed, with this error type.
    pub(super) fn failed(&self, now: Timestamp, at: At, error_type: &str) {
        self.count(now, |minute| {
            let mut key = (at, error_type.to_owned());
            if !minute.failed.contains_key(&key) && minute.failed.len() >= MOST_ERROR_TYPES {
                "other".clone_into(&mut key.1);
            }
            *minute.failed.entry(key).or_default() += 1;
        });
    }

    /// The upstream answered a request.
    pub(super) fn answered(&self, now: Timestamp, endpoint: Endpoint, latency: Duration) {
        let milliseconds = latency.as_secs_f64() * 1_000.0;
        self.count(now, |minute| {
            minute
                .requests
                .entry(endpoint)
                .or_default()
                .add(milliseconds);
        });
    }

    /// Hands all minutes that are over before `now` to the store. Where that fails they wait.
    pub(super) async fn hand_in(
        &self,
        engine: &Arc<Engine>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let this_minute = start_of_minute(now);
        let mut rows = Vec::new();
        let mut told = Vec::new();
        for (at, minute) in self.open().iter().filter(|(at, _)| **at < this_minute) {
            rows.extend(self.observations(*at, minute));
            told.push(*at);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let store = engine.store();
        let batch = store.open_batch(now).await?;
        store.append_batch(batch, &rows).await?;
        let closed = ClosedBatch {
            sha256: Sha256::digest(b"gateway").into(),
            report: "{}".to_owned(),
        };
        store.close_batch(batch, None, &closed, now).await?;
        let mut open = self.open();
        for at in told {
            open.remove(&at);
        }
        Ok(())
    }

    /// Makes this minute known even where nothing comes in it: none is a count too.
    pub(super) fn alive(&self, now: Timestamp) {
        self.count(now, |_| {});
    }

    fn count(&self, now: Timestamp, count: impl FnOnce(&mut Minute)) {
        let mut open = self.open();
        count(open.entry(start_of_minute(now)).or_default());
        while open.len() > MOST_MINUTES {
            open.pop_first();
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Timestamp, Minute>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observations(&self, at: Timestamp, minute: &Minute) -> Vec<Observation> {
        let line = |kind, count| Observation {
            ca: self.ca.clone(),
            ..Observation::plain(at, Source::Ca, kind, count)
        };
        let new_orders = minute.requests.get(&Endpoint::NewOrder);
        let mut rows = Vec::new();
        for which in [Try::First, Try::Again] {
            let count = minute.attempts.get(&which).copied().unwrap_or(0);
            rows.push(Observation {
                endpoint: Some(which.endpoint().to_owned()),
                latency_ms: new_orders.and_then(|seen| seen.quantile(0.5)),
                latency_p95_ms: new_orders.and_then(|seen| seen.quantile(0.95)),
                ..line(Kind::Attempt, count)
            });
        }
        if at.second_of_day() % HOUR == 0 {
            // Of those that come for the first time; the others go by their failure, not by the clock.
            let halves = halves(&rows[0], minute.at_once);
            rows.splice(..1, halves);
        }
        rows.push(line(Kind::Issued, minute.issued));
        rows.push(line(Kind::Failed, 0));
        for ((at, error_type), count) in &minute.failed {
            rows.push(Observation {
                // What failed later is told beside what was issued: of the orders that were made.
                endpoint: match at {
                    At::NewOrder(which) => Some(which.endpoint().to_owned()),
                    At::Later => None,
                },
                error_type: Some(error_type.clone()),
                ..line(Kind::Failed, *count)
            });
        }
        for (endpoint, latencies) in &minute.requests {
            if *endpoint == Endpoint::NewOrder {
                continue;
            }
            // No attempts of their own: they say how fast the endpoint was.
            rows.push(Observation {
                endpoint: Some(endpoint.name().to_owned()),
                latency_ms: latencies.quantile(0.5),
                latency_p95_ms: latencies.quantile(0.95),
                ..line(Kind::Attempt, 0)
            });
        }
        rows
    }
}

impl Try {
    const fn endpoint(self) -> &'static str {
        match self {
            Self::First => "new-order",
            Self::Again => "new-order-again",
        }
    }
}

impl Latencies {
    /// Each of all that were seen has the same chance to be kept (Vitter's algorithm R, 1985).
    fn add(&mut self, milliseconds: f64) {
        self.seen += 1;
        if self.milliseconds.len() < MOST_LATENCIES {
            self.milliseconds.push(milliseconds);
            return;
        }
        let at = rand::random_range(0..self.seen);
        if let Some(kept) = self.milliseconds.get_mut(at) {
            *kept = milliseconds;
        }
    }

    /// The value below which this share of them lies.
    fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.milliseconds.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = i64::try_from(sorted.len().checked_sub(1)?).unwrap_or(0);
        // The nearest rank.
        let rank = (real(last) * share).round();
        let at = (0..=last).find(|at| real(*at) >= rank).unwrap_or(last);
        sorted.get(usize::try_from(at).unwrap_or(0)).copied()
    }
}

fn start_of_minute(now: Timestamp) -> Timestamp {
    Timestamp::from_unix(now.slot(MINUTE) * MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not in the first minute of an hour, which is told in halves.
    const NOW: Timestamp = Timestamp::from_unix(1_795_255_290);

    fn counted(minutes: &Minutes) -> Vec<Observation> {
        let open = minutes.open();
        open.iter()
            .flat_map(|(at, minute)| minutes.observations(*at, minute))
            .collect()
    }

    #[test]
    fn a_minute_tells_attempts_failures_and_latencies() {
        let minutes = Minutes::of(CaName::default());
        minutes.attempt(NOW, Try::First);
        minutes.attempt(NOW, Try::First);
        minutes.attempt(NOW, Try::Again);
        minutes.issued(NOW);
        minutes.failed(NOW, At::Later, "urn:ietf:params:acme:error:dns");
        let refused = "urn:ietf:params:acme:error:rejectedIdentifier";
        minutes.failed(NOW, At::NewOrder(Try::First), refused);
        for milliseconds in 1..=100 {
            minutes.answered(NOW, Endpoint::Finalize, Duration::from_millis(milliseconds));
        }
        let rows = counted(&minutes);
        let count = |kind: Kind, endpoint: Option<&str>, error: Option<&str>| {
            let found = rows.iter().find(|row| {
                row.kind == kind
                    && row.endpoint.as_deref() == endpoint
                    && row.error_type.as_deref() == error
            });
            found.unwrap().count
        };
        assert_eq!(count(Kind::Attempt, Some("new-order"), None), 2);
        assert_eq!(count(Kind::Attempt, Some("new-order-again"), None), 1);
        assert_eq!(count(Kind::Issued, None, None), 1);
        let dns = Some("urn:ietf:params:acme:error:dns");
        assert_eq!(count(Kind::Failed, None, dns), 1);
        let refused = count(Kind::Failed, Some("new-order"), Some(refused));
        assert_eq!(refused, 1);
        let finalize = rows
            .iter()
            .find(|row| row.endpoint.as_deref() == Some("finalize"));
        let finalize = finalize.unwrap();
        assert_eq!(
            (finalize.latency_ms, finalize.latency_p95_ms),
            (Some(51.0), Some(95.0))
        );
        assert!(
            rows.iter()
                .all(|row| row.at.unix() % 60 == 0 && row.source == Source::Ca)
        );
    }

    #[test]
    fn the_first_half_minute_of_an_hour_is_told_apart() {
        let hour = Timestamp::from_unix(NOW.slot(HOUR) * HOUR);
        let minutes = Minutes::of(CaName::default());
        for second in [0, 0, 29, 30, 59, 60] {
            minutes.attempt(hour + second, Try::First);
        }
        minutes.attempt(hour, Try::Again);
        let told: Vec<(i64, u32, u64)> = counted(&minutes)
            .iter()
            .filter(|row| row.endpoint.as_deref() == Some("new-order"))
            .map(|row| (row.at - hour, row.seconds, row.count))
            .collect();
        assert_eq!(told, [(0, 30, 3), (30, 30, 2), (60, 60, 1)]);
    }

    #[test]
    fn memory_is_bounded() {
        let minutes = Minutes::of(CaName::default());
        for number in 0..1_000 {
            minutes.failed(NOW, At::Later, &format!("type {number}"));
            minutes.alive(NOW + number * 60);
            for _ in 0..3 {
                minutes.answered(NOW + 600_000, Endpoint::Order, Duration::from_millis(1));
            }
        }
        let open = minutes.open();
        assert_eq!(open.len(), MOST_MINUTES);
        let latencies = &open.values().last().unwrap().requests[&Endpoint::Order];
        assert_eq!(latencies.milliseconds.len(), MOST_LATENCIES);
        assert_eq!(latencies.seen, 3_000);
        drop(open);
        let only = Minutes::of(CaName::default());
        for number in 0..1_000 {
            only.failed(NOW, At::Later, &format!("type {number}"));
        }
        assert_eq!(
            only.open().values().next().unwrap().failed.len(),
            MOST_ERROR_TYPES + 1
        );
    }
}
