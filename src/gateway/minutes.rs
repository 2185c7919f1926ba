//! The gateway's counts by minute, passed to the demand model as the CA's own counters (source
//! `ca`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::latencies::Latencies;
use super::own_faults::OwnFaults;
use crate::domain::acme::Endpoint;
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::demand::onset::{ONSET_SECONDS, halves};
use crate::domain::math::number::{real, whole};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{HOUR, MINUTE, Timestamp};
use crate::engine::{Engine, EngineError};
use crate::store::ClosedBatch;

/// Minutes that wait while the store is unavailable. Four hours of a CA that fails in twenty ways
/// are about 10 MB at most. Older minutes are dropped, and count as unknown, not as zero.
const MOST_MINUTES: usize = 240;

/// Different error types in a minute. Further ones count as `other`, so that an upstream cannot
/// fill memory by inventing types.
const MOST_ERROR_TYPES: usize = 32;

/// The label for failures that few accounts caused themselves. They are reported separately and not
/// as failures of the CA.
const FEW_ACCOUNTS: &str = "few-accounts";

/// Whether an order is a first try or a retry after a failure.
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
    /// Later: its validation or its finalization.
    Later,
}

/// The counters of a gateway.
#[derive(Debug)]
pub(super) struct Minutes {
    ca: CaName,
    open: Mutex<BTreeMap<Timestamp, Minute>>,
    own_faults: Mutex<OwnFaults>,
}

#[derive(Debug, Default)]
struct Minute {
    attempts: HashMap<Try, u64>,
    /// First tries in the first half minute of an hour.
    at_once: u64,
    issued: u64,
    /// By place, error type, and the account that caused it, if one did.
    failed: BTreeMap<(At, String), HashMap<Option<u128>, u64>>,
    requests: HashMap<Endpoint, Latencies>,
}

impl Minutes {
    pub(super) fn of(ca: CaName) -> Self {
        Self {
            ca,
            open: Mutex::default(),
            own_faults: Mutex::default(),
        }
    }

    /// Counts a request for a certificate.
    pub(super) fn attempt(&self, now: Timestamp, which: Try) {
        self.count(now, |minute| {
            *minute.attempts.entry(which).or_default() += 1;
            let at_once = now.second_of_day() % HOUR < ONSET_SECONDS && which == Try::First;
            minute.at_once += u64::from(at_once);
        });
    }

    /// Counts an issued certificate.
    pub(super) fn issued(&self, now: Timestamp) {
        self.count(now, |minute| minute.issued += 1);
    }

    /// Counts a failed attempt with this error type, caused by the account `by` if given.
    pub(super) fn failed(&self, now: Timestamp, at: At, error_type: &str, by: Option<u128>) {
        let by = by.filter(|account| self.own_faults().add(start_of_minute(now), *account));
        self.count(now, |minute| {
            let mut key = (at, error_type.to_owned());
            if !minute.failed.contains_key(&key) && minute.failed.len() >= MOST_ERROR_TYPES {
                "other".clone_into(&mut key.1);
            }
            let failed = minute.failed.entry(key).or_default();
            *failed.entry(by).or_default() += 1;
        });
    }

    /// Records an answer of the upstream.
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

    /// Writes all minutes that were over before `now` to the store. If that fails, they wait.
    pub(super) async fn hand_in(
        &self,
        engine: &Arc<Engine>,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let this_minute = start_of_minute(now);
        let mut rows = Vec::new();
        let mut complete = Vec::new();
        for (at, minute) in self.open().iter().filter(|(at, _)| **at < this_minute) {
            rows.extend(self.observations(*at, minute));
            complete.push(*at);
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
        for at in complete {
            open.remove(&at);
        }
        let oldest = open.keys().next().copied();
        self.own_faults().trim(oldest.unwrap_or(this_minute));
        Ok(())
    }

    /// Makes this minute known even if nothing arrives in it, because zero is a count too.
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

    fn own_faults(&self) -> MutexGuard<'_, OwnFaults> {
        self.own_faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
            // Only first tries; retries depend on their failure and not on the clock.
            let halves = halves(&rows[0], minute.at_once);
            rows.splice(..1, halves);
        }
        rows.push(line(Kind::Issued, minute.issued));
        rows.push(line(Kind::Failed, 0));
        let weights = self.own_faults().until(at);
        for ((place, error_type), by) in &minute.failed {
            let count: u64 = by.values().sum();
            let weighed = by.iter().map(|(account, count)| {
                let weight = account.map_or(1.0, |account| weights.of(account));
                whole((real(i64::try_from(*count).unwrap_or(i64::MAX)) * weight).round())
            });
            let of_ca = count.min(u64::try_from(weighed.sum::<i64>()).unwrap_or(0));
            let failed = |count| Observation {
                // Later failures are counted among the created orders, together with the issued
                // certificates.
                endpoint: match place {
                    At::NewOrder(which) => Some(which.endpoint().to_owned()),
                    At::Later => None,
                },
                error_type: Some(error_type.clone()),
                ..line(Kind::Failed, count)
            };
            rows.push(failed(of_ca));
            if count > of_ca {
                rows.push(Observation {
                    dimension: Some(FEW_ACCOUNTS.to_owned()),
                    ..failed(count - of_ca)
                });
            }
        }
        for (endpoint, latencies) in &minute.requests {
            if *endpoint == Endpoint::NewOrder {
                continue;
            }
            // These are not attempts; they only report the endpoint's latency.
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

fn start_of_minute(now: Timestamp) -> Timestamp {
    Timestamp::from_unix(now.slot(MINUTE) * MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::demand::series::Series;
    use crate::domain::status::{Evidence, Status};

    /// Not in the first minute of an hour, which is reported in halves.
    const NOW: Timestamp = Timestamp::from_unix(1_795_255_290);

    fn counted(minutes: &Minutes) -> Vec<Observation> {
        let open = minutes.open();
        open.iter()
            .flat_map(|(at, minute)| minutes.observations(*at, minute))
            .collect()
    }

    #[test]
    fn a_minute_reports_attempts_failures_and_latencies() {
        let minutes = Minutes::of(CaName::default());
        minutes.attempt(NOW, Try::First);
        minutes.attempt(NOW, Try::First);
        minutes.attempt(NOW, Try::Again);
        minutes.issued(NOW);
        minutes.failed(NOW, At::Later, "urn:ietf:params:acme:error:dns", None);
        let refused = "urn:ietf:params:acme:error:rejectedIdentifier";
        minutes.failed(NOW, At::NewOrder(Try::First), refused, None);
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

    /// The status of a CA after a gateway reported this many refused orders, caused by this many
    /// accounts in turn, or by the CA itself.
    fn status_after(refused: u32, accounts: Option<u32>) -> Status {
        let minutes = Minutes::of(CaName::default());
        for number in 0..refused {
            let at = NOW - i64::from(number % 10) * MINUTE;
            minutes.attempt(at, Try::First);
            let account = accounts.map(|accounts| u128::from(number % accounts));
            let rejected = "urn:ietf:params:acme:error:rejectedIdentifier";
            minutes.failed(at, At::NewOrder(Try::First), rejected, account);
        }
        let mut series = Series::default();
        for line in &counted(&minutes) {
            series.add(line);
        }
        let evidence = Evidence {
            series: &series,
            incidents: &[],
            now: NOW + MINUTE,
        };
        evidence.standing(None).status
    }

    #[test]
    fn what_one_account_gets_wrong_does_not_make_the_ca_look_ill() {
        assert_eq!(status_after(25, Some(1)), Status::Ok);
        assert_eq!(status_after(300, Some(2)), Status::Ok);
        // With many accounts it is no coincidence, and the CA's own faults always count.
        assert_eq!(status_after(25, Some(25)), Status::Down);
        assert_eq!(status_after(25, None), Status::Down);
    }

    #[test]
    fn failures_of_few_accounts_are_reported_separately() {
        let minutes = Minutes::of(CaName::default());
        for _ in 0..3 {
            minutes.failed(NOW, At::Later, "dns", Some(7));
        }
        let failed = counted(&minutes);
        let failed = failed.iter().filter(|row| row.error_type.is_some());
        let complete: Vec<_> = failed
            .map(|row| (row.dimension.as_deref(), row.count))
            .collect();
        assert_eq!(complete, [(None, 0), (Some(FEW_ACCOUNTS), 3)]);
    }

    #[test]
    fn the_first_half_minute_of_an_hour_is_told_apart() {
        let hour = Timestamp::from_unix(NOW.slot(HOUR) * HOUR);
        let minutes = Minutes::of(CaName::default());
        for second in [0, 0, 29, 30, 59, 60] {
            minutes.attempt(hour + second, Try::First);
        }
        minutes.attempt(hour, Try::Again);
        let complete: Vec<(i64, u32, u64)> = counted(&minutes)
            .iter()
            .filter(|row| row.endpoint.as_deref() == Some("new-order"))
            .map(|row| (row.at - hour, row.seconds, row.count))
            .collect();
        assert_eq!(complete, [(0, 30, 3), (30, 30, 2), (60, 60, 1)]);
    }

    #[test]
    fn memory_is_bounded() {
        let minutes = Minutes::of(CaName::default());
        for number in 0..1_000 {
            minutes.failed(NOW, At::Later, &format!("type {number}"), None);
            minutes.alive(NOW + number * 60);
        }
        let open = minutes.open();
        assert_eq!(open.len(), MOST_MINUTES);
        drop(open);
        let only = Minutes::of(CaName::default());
        for number in 0..1_000 {
            only.failed(NOW, At::Later, &format!("type {number}"), None);
        }
        assert_eq!(
            only.open().values().next().unwrap().failed.len(),
            MOST_ERROR_TYPES + 1
        );
    }
}
