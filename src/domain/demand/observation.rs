//! Observations: counts of requests to a CA and of their results.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::policy::ca::CaName;
use crate::time::Timestamp;

/// What was counted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A request for a certificate, whatever its result.
    Attempt,
    /// An attempt that failed.
    Failed,
    /// A certificate issued.
    Issued,
}

/// Where load is observed. The order is the order of trust: of the sources that can know the volume,
/// the first one alive in a minute gives that minute's volume.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The CA's own counters.
    Ca,
    /// The CA's logs.
    Log,
    /// The CA's metrics.
    Metrics,
    /// Certificates registered here.
    Registrations,
    /// Certificate Transparency logs.
    Ct,
    /// Counts imported from elsewhere.
    Import,
    /// An outside monitor. It knows latency and failures, but never the CA's volume.
    Observer,
}

/// A count of events of one kind from one source, spread evenly over `seconds` from `at`.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The first instant counted.
    pub at: Timestamp,
    /// The length of the span in seconds, 1 or more; 60 by default.
    pub seconds: u32,
    /// What was counted.
    pub kind: Kind,
    /// The number of events. 0 is information too: the source was alive.
    pub count: u64,
    /// The CA.
    pub ca: CaName,
    /// The source of the count.
    pub source: Source,
    /// The ACME endpoint, such as `new-order`.
    pub endpoint: Option<String>,
    /// The ACME error type, a URN.
    pub error_type: Option<String>,
    /// Which of several sources of this kind; `None` if there is only one.
    pub vantage: Option<String>,
    /// Who submitted it, such as `token:oslo`; however many vantages a reporter names, it counts as
    /// one. `None` if it was read by a source, or stored by an earlier version.
    pub reported_by: Option<String>,
    /// How many events each counted event stands for, if only a sample was read; else 1.
    pub stands_for: f64,
    /// The part or step of the load that this describes, such as `secondary`. It is reported separately
    /// and never changes the volume.
    pub dimension: Option<String>,
    /// Median latency in milliseconds.
    pub latency_ms: Option<f64>,
    /// 95th percentile of latency in milliseconds.
    pub latency_p95_ms: Option<f64>,
    /// Whether the counted events fell into windows of ours. Never reported from outside: it is kept
    /// for registrations when their certificates are purged.
    pub steered: bool,
}

/// An unknown name of a source or kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{given:?} is none of {known}")]
pub struct UnknownName {
    /// The name that was given.
    pub given: String,
    /// The names that are known.
    pub known: &'static str,
}

impl Observation {
    /// A count over one minute at the CA `default`, with all other fields empty.
    #[must_use]
    pub fn plain(at: Timestamp, source: Source, kind: Kind, count: u64) -> Self {
        Self {
            at,
            seconds: 60,
            kind,
            count,
            ca: CaName::default(),
            source,
            endpoint: None,
            error_type: None,
            vantage: None,
            reported_by: None,
            stands_for: 1.0,
            dimension: None,
            latency_ms: None,
            latency_p95_ms: None,
            steered: false,
        }
    }
}

impl Kind {
    /// The name used in JSON and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Failed => "failed",
            Self::Issued => "issued",
        }
    }
}

impl Source {
    /// The name used in JSON and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Ct => "ct",
            Self::Import => "import",
            Self::Log => "log",
            Self::Metrics => "metrics",
            Self::Observer => "observer",
            Self::Registrations => "registrations",
        }
    }
}

impl FromStr for Kind {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Attempt, Self::Failed, Self::Issued]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownName {
                given: text.to_owned(),
                known: "attempt, failed, issued",
            })
    }
}

impl FromStr for Source {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [
            Self::Ca,
            Self::Log,
            Self::Metrics,
            Self::Registrations,
            Self::Ct,
            Self::Import,
            Self::Observer,
        ]
        .into_iter()
        .find(|source| source.name() == text)
        .ok_or_else(|| UnknownName {
            given: text.to_owned(),
            known: "ca, log, metrics, registrations, ct, import, observer",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
