//! The states that the sources of this process report.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::domain::math::number::real;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;

/// The state of a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Another process reads it.
    Elsewhere,
    /// The last request got no usable answer.
    Failing,
    /// It is being read.
    Reading,
    /// It has not been read yet.
    Starting,
}

/// What is known about a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceReport {
    /// The configured name.
    pub name: String,
    /// For example `ct`.
    pub kind: &'static str,
    /// The CA whose load it reports; `None` for several.
    pub ca: Option<CaName>,
    /// Its state.
    pub state: SourceState,
    /// Since when it has this state.
    pub since: Timestamp,
    /// Why it fails. It may name hosts and files, so only operators see it.
    #[serde(skip)]
    pub reason: Option<String>,
    /// Everything before this was read; `None` if nothing was.
    pub data_through: Option<Timestamp>,
    /// Records counted by this process.
    #[serde(skip)]
    pub records: u64,
    /// Unreadable records skipped by this process.
    pub skipped: u64,
    /// The number of its logs that fail and are left alone for a while, if it has several.
    pub logs_failing: u64,
    /// The relative standard error of an hour's count, if only a sample is read.
    pub relative_error: Option<f64>,
}

/// A configured source that has reported nothing yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SilentSource {
    /// The configured name.
    pub name: String,
    /// For example `ct`.
    pub kind: &'static str,
    /// The CA whose load it will report; `None` for several.
    pub ca: Option<CaName>,
}

/// The states of this process's sources, by name.
#[derive(Debug, Default)]
pub(in crate::engine) struct Board(Mutex<BTreeMap<String, SourceReport>>);

impl Board {
    /// Gives access to all states.
    pub(in crate::engine) fn with<T>(
        &self,
        what: impl FnOnce(&mut BTreeMap<String, SourceReport>) -> T,
    ) -> T {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut board)
    }
}

/// Updates the metrics of a source's state.
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
