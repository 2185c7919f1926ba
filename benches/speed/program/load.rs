//! What is asked of a server, and what came of it. A generator is a process of its own, so that it
//! has a core of its own: it reads a [`Load`] as JSON and prints an [`Outcome`].

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One run of a generator.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    /// How long it goes on before anything is measured.
    pub(super) warm_up_seconds: f64,
    /// How long it is measured.
    pub(super) seconds: f64,
    /// At most so many requests, however long it takes: what instructions are counted over.
    pub(super) most_requests: Option<u64>,
    /// What goes on side by side.
    pub(super) streams: Vec<Stream>,
}

/// Requests of one kind on connections of their own, kept alive; none is asked before the last one
/// was answered (no pipelining).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Stream {
    pub(super) ask: Ask,
    pub(super) expect: Expect,
    pub(super) connections: usize,
    /// Requests a second, evenly (open loop); `None` asks again as soon as an answer is there
    /// (closed loop).
    pub(super) rate: Option<f64>,
    pub(super) seed: u64,
}

/// What is asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// One path, always.
    Path(String),
    /// `renewalInfo` of random certificates of so many.
    Registered(u64),
    /// `renewalInfo` of random CertIDs that are not registered.
    Unknown,
}

/// What each answer has to be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Expect {
    /// Any of these.
    pub(super) statuses: Vec<u16>,
    /// `None`: any.
    pub(super) body_octets: Option<usize>,
    /// What the body begins with.
    pub(super) begins: String,
}

/// What came of a run.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Outcome {
    /// All answers, those before the measuring began too.
    pub(super) answers_in_all: u64,
    /// Processor time that the generator used.
    pub(super) cpu_seconds: f64,
    /// How long it went on, warm-up included.
    pub(super) elapsed_seconds: f64,
    /// By stream.
    pub(super) streams: Vec<StreamOutcome>,
}

/// What came of a stream, of what was asked while it was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct StreamOutcome {
    pub(super) answers: u64,
    pub(super) per_second: f64,
    /// Answers that are not what they should be, and connections that broke; from the beginning.
    pub(super) wrong: u64,
    pub(super) first_wrong: Option<String>,
    /// Answers of the statuses that were expected, in that order; from the beginning.
    pub(super) by_status: Vec<u64>,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
    pub(super) p999_micros: f64,
    pub(super) most_micros: f64,
}

impl Load {
    /// One stream, closed loop, over many connections.
    pub(super) fn closed(address: SocketAddr, seconds: f64, stream: Stream) -> Self {
        Self {
            address,
            // A second fills caches and lets congestion windows open.
            warm_up_seconds: 1.0_f64.min(seconds / 4.0),
            seconds,
            most_requests: None,
            streams: vec![stream],
        }
    }
}

impl Expect {
    /// A window; what it begins with is the same for all, and so is its length.
    pub(super) fn window() -> Self {
        Self {
            statuses: vec![200],
            body_octets: Some(WINDOW_OCTETS),
            begins: "{\"suggestedWindow\":{\"start\":\"20".to_owned(),
        }
    }

    /// A refusal: not known; `or_busy` with 503 where look-ups are bounded.
    pub(super) fn refusal(statuses: &[u16]) -> Self {
        Self {
            statuses: statuses.to_vec(),
            body_octets: None,
            begins: "{\"type\":\"urn:ietf:params:acme:err".to_owned(),
        }
    }
}

/// `{"suggestedWindow":{"start":"2027-01-19T14:07:31Z","end":"2027-01-19T14:22:31Z"}}`.
const WINDOW_OCTETS: usize = 81;
