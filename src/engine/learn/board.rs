//! What sources of this process say of themselves.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::math::number::real;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;

/// How a source is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceState {
    /// Another process reads it.
    Elsewhere,
    /// It was asked last without an answer, or with one that is of no use.
    Failing,
    /// It is read.
    Reading,
    /// It was not asked yet.
    Starting,
}

impl SourceState {
    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Failing => "failing",
            Self::Reading => "reading",
            Self::Starting => "starting",
        }
    }
}

/// What is known of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceReport {
    /// As configured.
    pub name: String,
    /// Such as `ct`.
    pub kind: &'static str,
    /// The CA whose load it shows; `None`: several CAs'.
    pub ca: Option<CaName>,
    /// How it is.
    pub state: SourceState,
    /// Since when it is so.
    pub since: Timestamp,
    /// Why it fails, for operators: it may name hosts and files.
    pub reason: Option<String>,
    /// Everything before was read; `None`: nothing yet.
    pub data_through: Option<Timestamp>,
    /// Records counted by this process.
    pub records: u64,
    /// Records that this process passed over because they cannot be read.
    pub skipped: u64,
    /// Its logs that are left alone for a while because they fail, of those that it has several of.
    pub logs_failing: u64,
    /// The standard error of an hour's count, as a share of it, if only a sample is read.
    pub relative_error: Option<f64>,
}

/// A source that is configured and has said nothing yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SilentSource {
    /// As configured.
    pub name: String,
    /// Such as `ct`.
    pub kind: &'static str,
    /// The CA whose load it is to show; `None`: several CAs'.
    pub ca: Option<CaName>,
}

/// What sources of this process say of themselves, by name.
#[derive(Debug, Default)]
pub(in crate::engine) struct Board(Mutex<BTreeMap<String, SourceReport>>);

impl Board {
    /// All that are known, to be read or changed.
    pub(in crate::engine) fn with<T>(
        &self,
        what: impl FnOnce(&mut BTreeMap<String, SourceReport>) -> T,
    ) -> T {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut board)
    }
}

/// Shows a source's state in the metrics.
pub(in crate::engine) fn show(report: &SourceReport) {
    let is = |state| f64::from(u8::from(report.state == state));
    let elsewhere = is(SourceState::Elsewhere);
    let up = is(SourceState::Reading).max(elsewhere);
    metrics::gauge!("offpeak_source_elsewhere", "source" => report.name.clone()).set(elsewhere);
    metrics::gauge!("offpeak_source_up", "source" => report.name.clone()).set(up);
    if let Some(through) = report.data_through {
        metrics::gauge!("offpeak_source_data_through_seconds", "source" => report.name.clone())
            .set(real(through.unix()));
    }
    metrics::gauge!("offpeak_source_logs_failing", "source" => report.name.clone())
        .set(real(report.logs_failing.cast_signed()));
    if let Some(error) = report.relative_error {
        metrics::gauge!("offpeak_source_relative_error", "source" => report.name.clone())
            .set(error);
    }
}
