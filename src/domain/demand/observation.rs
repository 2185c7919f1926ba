//! Counts of what a CA was asked and did.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::policy::ca::CaName;
use crate::time::Timestamp;

/// What was counted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A request for a certificate, whatever came of it.
    Attempt,
    /// An attempt that failed.
    Failed,
    /// A certificate issued.
    Issued,
}

/// Where load is seen. The order is the order of trust: of the sources that can tell volume, the
/// first alive in a minute gives that minute's volume.
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
    /// Counts brought in from elsewhere.
    Import,
    /// An outside monitor: it knows latency and failures, never the CA's volume.
    Observer,
}

/// A count of events of one kind from one source, spread evenly over `seconds` from `at` on.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The first instant counted.
    pub at: Timestamp,
    /// How long was counted, 1 s or more; default 60.
    pub seconds: u32,
    /// What was counted.
    pub kind: Kind,
    /// How many there were. 0 is knowledge: the source was alive.
    pub count: u64,
    /// At which CA.
    pub ca: CaName,
    /// Who counted.
    pub source: Source,
    /// The ACME endpoint, such as `new-order`.
    pub endpoint: Option<String>,
    /// The ACME error type, a URN.
    pub error_type: Option<String>,
    /// Which of several sources of this kind.
    pub vantage: Option<String>,
    /// Who handed it in, such as `token:oslo`: whatever vantages it names, it is one voice. `None`: nobody did, it was
    /// read, or is of an earlier version.
    pub told_by: Option<String>,
    /// For how many events each one that was seen stands, where only a sample was read; else 1.
    pub stands_for: f64,
    /// The part of the load, or the step of it, that this is about, such as `secondary`. It is
    /// reported beside the volume and never changes it.
    pub dimension: Option<String>,
    /// Median latency in milliseconds.
    pub latency_ms: Option<f64>,
    /// 95th percentile of latency in milliseconds.
    pub latency_p95_ms: Option<f64>,
    /// Whether what was counted fell into windows that we gave. Nobody reports that: it is kept
    /// for registrations when their certificates are purged.
    pub steered: bool,
}

/// A name that is none of those known.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{given:?} is none of {known}")]
pub struct UnknownName {
    /// What was given.
    pub given: String,
    /// What would have been taken.
    pub known: &'static str,
}

impl Observation {
    /// A plain count over one minute, at the CA `default`: whatever else is known is set on it.
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
            told_by: None,
            stands_for: 1.0,
            dimension: None,
            latency_ms: None,
            latency_p95_ms: None,
            steered: false,
        }
    }
}

impl Kind {
    /// Its name on the wire.
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
    /// Its name on the wire.
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
