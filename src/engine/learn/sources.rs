//! The state of each configured source, as reported by its task, for `/v1/status` and the metrics.

use super::board::{SilentSource, SourceReport, SourceState, show};
use crate::config::SourceKind;
use crate::domain::policy::ca::CaName;
use crate::domain::publication::prior::Prior;
use crate::domain::time::Timestamp;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;

impl Engine {
    /// The state of each source that this process reads, by name.
    #[must_use]
    pub fn source_reports(&self) -> Vec<SourceReport> {
        self.sources.with(|board| board.values().cloned().collect())
    }

    /// The configured sources of one CA or of all that have stored nothing yet, in any process.
    /// Folders and rankings never store anything of their own, so they are never among them.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn silent_sources(
        &self,
        of: Option<&CaName>,
    ) -> Result<Vec<SilentSource>, EngineError> {
        let mut silent = Vec::new();
        for source in &self.config().sources {
            let stores_nothing =
                matches!(source.kind, SourceKind::Folder(_) | SourceKind::Ranking(_));
            let meant = of.is_none() || source.ca.is_none() || source.ca.as_ref() == of;
            if stores_nothing || !meant {
                continue;
            }
            if self.store().source_cursor(&source.name).await?.is_none() {
                silent.push(SilentSource {
                    name: source.name.clone(),
                    kind: source.kind.name(),
                    ca: source.ca.clone(),
                });
            }
        }
        Ok(silent)
    }

    /// A source is started.
    pub fn begin_source(&self, name: &str, kind: &'static str, ca: Option<&CaName>) {
        let report = SourceReport {
            name: name.to_owned(),
            kind,
            ca: ca.cloned(),
            state: SourceState::Starting,
            since: self.now(),
            reason: None,
            data_through: None,
            records: 0,
            skipped: 0,
            logs_failing: 0,
            relative_error: None,
        };
        show(&report);
        self.sources
            .with(|board| board.insert(name.to_owned(), report));
    }

    /// A source was read: this many records, and everything before `through`.
    pub fn source_read(&self, name: &str, records: u64, through: Option<Timestamp>) {
        let now = self.now();
        metrics::counter!("offpeak_source_records_total", "source" => name.to_owned())
            .increment(records);
        self.update(name, |report| {
            if report.state != SourceState::Reading {
                tracing::info!(event = "source_reading", source = name);
                report.state = SourceState::Reading;
                report.since = now;
            }
            report.reason = None;
            report.records = report.records.saturating_add(records);
            report.data_through = report.data_through.max(through);
        });
    }

    /// A source could not be read.
    pub fn source_failed(&self, name: &str, reason: &str) {
        let now = self.now();
        metrics::counter!("offpeak_source_failures_total", "source" => name.to_owned())
            .increment(1);
        self.update(name, |report| {
            if report.reason.as_deref() != Some(reason) {
                tracing::warn!(event = "source_failing", source = name, reason);
            }
            if report.state != SourceState::Failing {
                report.state = SourceState::Failing;
                report.since = now;
            }
            report.reason = Some(reason.to_owned());
        });
    }

    /// Another process reads this source.
    pub fn source_elsewhere(&self, name: &str) {
        let now = self.now();
        self.update(name, |report| {
            if report.state != SourceState::Elsewhere {
                tracing::info!(event = "source_elsewhere", source = name);
                report.state = SourceState::Elsewhere;
                report.since = now;
            }
            report.reason = None;
        });
    }

    /// This many records of a source were unreadable and skipped; `what` describes them.
    pub fn source_skipped(&self, name: &str, records: u64, what: &str) {
        metrics::counter!("offpeak_source_skipped_total", "source" => name.to_owned())
            .increment(records);
        tracing::warn!(event = "source_skipped", source = name, records, what);
        self.update(name, |report| {
            report.skipped = report.skipped.saturating_add(records);
        });
    }

    /// This many of a source's logs fail now, while others are read.
    pub fn source_logs_failing(&self, name: &str, logs: u64) {
        self.update(name, |report| report.logs_failing = logs);
    }

    /// The precision of hourly counts, for a source of which only a sample is read.
    pub fn source_sampled(&self, name: &str, relative_error: Option<f64>) {
        self.update(name, |report| report.relative_error = relative_error);
    }

    /// A source is no longer configured.
    pub fn end_source(&self, name: &str) {
        self.sources.with(|board| board.remove(name));
        self.priors.remove(name);
        metrics::gauge!("offpeak_source_up", "source" => name.to_owned()).set(0.0);
    }

    /// Uses a ranking as the expectation for a CA until the CA has data of its own.
    pub fn set_prior(&self, source: &str, ca: &CaName, prior: Prior) {
        self.priors.insert(source, ca, prior);
        self.priors.adopt_into(&self.memory(), self.now());
    }

    /// Until when a source's ranking is valid; `None` if it has none.
    #[must_use]
    pub fn prior_valid_until(&self, source: &str) -> Option<Timestamp> {
        self.priors.valid_until(source)
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut SourceReport)) {
        self.sources.with(|board| {
            if let Some(report) = board.get_mut(name) {
                change(report);
                show(report);
            }
        });
    }
}
