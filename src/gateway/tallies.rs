//! Counts the gateway's answers.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use axum::http::StatusCode;
use metrics::{Counter, Histogram};

use crate::domain::acme::Endpoint;

/// The counters of a gateway's answers, by endpoint and status. They are cached because looking one
/// up by its labels takes longer than reading an answer.
#[derive(Debug)]
pub(super) struct Tallies {
    gateway: String,
    known: RwLock<HashMap<(Endpoint, StatusCode), Tally>>,
}

#[derive(Clone)]
struct Tally {
    requests: Counter,
    seconds: Histogram,
}

impl Tallies {
    pub(super) fn of(gateway: &str) -> Self {
        Self {
            gateway: gateway.to_owned(),
            known: RwLock::default(),
        }
    }

    /// Counts an answer and its duration.
    pub(super) fn add(&self, endpoint: Endpoint, status: StatusCode, seconds: f64) {
        let tally = self.tally(endpoint, status);
        tally.requests.increment(1);
        tally.seconds.record(seconds);
    }

    fn tally(&self, endpoint: Endpoint, status: StatusCode) -> Tally {
        // The map is consistent even if a thread panicked while holding the lock.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = known.get(&(endpoint, status)) {
            return tally.clone();
        }
        drop(known);
        let labels = [
            ("gateway", self.gateway.clone()),
            ("endpoint", endpoint.name().to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        let tally = Tally {
            requests: metrics::counter!("offpeak_gateway_requests_total", &labels),
            seconds: metrics::histogram!("offpeak_gateway_request_duration_seconds", &labels),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry((endpoint, status)).or_insert(tally).clone()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}
