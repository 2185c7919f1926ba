//! Counters of answers.

use std::fmt;

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// The counters for one kind of answer, cached because finding them takes longer than using them.
#[derive(Clone)]
pub(super) struct Tally {
    requests: Counter,
    seconds: Histogram,
}

impl Tally {
    pub(super) fn of(route: &str, method: &'static str, status: StatusCode) -> Self {
        let labels = [
            ("route", route.to_owned()),
            ("method", method.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        Self {
            requests: metrics::counter!("offpeak_http_requests_total", &labels),
            seconds: metrics::histogram!("offpeak_http_request_duration_seconds", &labels),
        }
    }

    /// Counts an answer and its duration.
    pub(super) fn add(&self, seconds: f64) {
        self.requests.increment(1);
        self.seconds.record(seconds);
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

/// A method with a handler of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Get,
    Head,
}

impl Verb {
    const ALL: [Self; 2] = [Self::Get, Self::Head];

    pub(super) fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET => Some(Self::Get),
            Method::HEAD => Some(Self::Head),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// The counters for the usual answers of a route.
#[derive(Debug)]
pub(super) struct Tallies {
    route: &'static str,
    /// By [`Verb`] and [`USUAL`].
    usual: [[Tally; USUAL.len()]; Verb::ALL.len()],
}

/// The statuses that are usually answered without the router.
const USUAL: [StatusCode; 4] = [
    StatusCode::OK,
    StatusCode::NOT_MODIFIED,
    StatusCode::NOT_FOUND,
    StatusCode::SERVICE_UNAVAILABLE,
];

impl Tallies {
    pub(super) fn of(route: &'static str) -> Self {
        let usual = Verb::ALL.map(|verb| USUAL.map(|status| Tally::of(route, verb.name(), status)));
        Self { route, usual }
    }

    /// Counts an answer and its duration.
    pub(super) fn add(&self, verb: Verb, status: StatusCode, seconds: f64) {
        let [get, head] = &self.usual;
        let of_verb = match verb {
            Verb::Get => get,
            Verb::Head => head,
        };
        match USUAL
            .iter()
            .zip(of_verb)
            .find(|(usual, _)| **usual == status)
        {
            Some((_, tally)) => tally.add(seconds),
            None => Tally::of(self.route, verb.name(), status).add(seconds),
        }
    }
}
