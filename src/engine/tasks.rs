//! The background tasks of the engine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::blocking::run_blocking;
use super::error::EngineError;
use super::learn::polls::RECORDS_KEPT_SECONDS;
use super::moves::incidents::IncidentError;
use super::presence::NOTE_REPLICA_EVERY;
use super::service::Engine;
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::math::number::real_len;
use crate::domain::policy::ca::CaName;
use crate::domain::time::DAY;
use crate::store::{ANSWERS_WITHIN, Lease, StoreError, Turn};

/// How often the feed is read, so that changes of other processes are visible within a second.
const FEED_EVERY: Duration = Duration::from_millis(500);
/// … and at once when another process sends a notification, but at most fifty times a second,
/// because one reading finds all changes.
const HINTED_EVERY: Duration = Duration::from_millis(20);
/// How often profiles are learned. They change over weeks, but someone who has just sent the first
/// observations wants to see the result: with the time for the feed and for learning, it takes less
/// than a minute.
const LEARN_EVERY: Duration = Duration::from_secs(30);
const _: () = assert!(LEARN_EVERY.as_secs() + FEED_EVERY.as_secs() + LEARNS_SECONDS < 60);
/// The time allowed for learning: a tenth of a second per CA, for a hundred of them on a busy
/// machine.
const LEARNS_SECONDS: u64 = 20;
/// How often returns are learned. Habits change over weeks, and their resolution is an hour.
const LEARN_RETURNS_EVERY: Duration = Duration::from_hours(1);
/// How often outages of unknown end are checked; they must be planned again hours before the
/// assumed end.
const REPLAN_EVERY: Duration = Duration::from_mins(1);
/// How often certificates are swept. The results affect the forecast, not the answers.
const SWEEP_EVERY: Duration = Duration::from_mins(5);
/// How soon the new findings of a sweep are stored.
const NOTE_EVERY: Duration = Duration::from_secs(10);
/// How often publications are checked, so that those of other processes are visible within a
/// second.
const PUBLISH_EVERY: Duration = FEED_EVERY;
/// How often announced events are read, which other processes may have added long before they
/// begin.
const PLANNED_EVERY: Duration = Duration::from_secs(10);
/// Expired certificates are removed in steps of this many rows …
const PURGE_ROWS: u32 = 2_000;
/// … with pauses for registrations. 10 million certificates of 90 days expire at 77 a minute, 1.3 a
/// second; 400 a second suffice for a CA a hundred times as large.
const PURGE_EVERY: Duration = Duration::from_secs(5);
/// How often an unavailable database is tried again, so that recovery is noticed at once. `/readyz`
/// reports a silent failure within five seconds.
const TRY_AGAIN_EVERY: Duration = Duration::from_secs(1);
const _: () = assert!(TRY_AGAIN_EVERY.as_secs() + ANSWERS_WITHIN.as_secs() < 5);
/// How long accounts and orders of gateways are kept: the longest common lifetime of a certificate
/// plus some days, so that its renewal finds them.
const GATEWAY_KEPT_SECONDS: i64 = 100 * DAY;
/// How long counted certificates are remembered. A Certificate Transparency log may take a day to
/// show what it accepted (its maximum merge delay), and one that was unavailable may be read a day
/// late. Until then the same certificate may be seen in another log.
const COUNTED_SECONDS: i64 = 2 * DAY;
/// How often old observations and tables are removed.
const RETIRE_EVERY: Duration = Duration::from_hours(1);
/// The pause after the store failed during summing.
const SUM_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is checked whether the index should be written.
const SNAPSHOT_LOOK_EVERY: Duration = Duration::from_mins(1);
/// The pause before a task's failure is logged again.
const SAID_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How often drift is checked. Windows lie weeks ahead, so an hour is soon enough.
const DRIFT_EVERY: Duration = Duration::from_hours(1);
/// How long expired certificates are still answered.
const EXPIRED_ANSWERED_SECONDS: i64 = DAY;
/// A batch of observations that stays open for this long belongs to a process that died.
const BATCH_OPEN_SECONDS: i64 = DAY;
/// How long idempotency keys are kept.
const KEYS_SECONDS: i64 = 7 * DAY;

impl Engine {
    /// Follows the change feed, learns, sweeps, publishes and purges, until it is dropped. A
    /// failing task is logged and tried again at its next turn.
    ///
    /// # Errors
    /// [`EngineError::Store`] if the store was unreachable at the start, and turns out to be one
    /// that a start would reject.
    pub async fn run(self: Arc<Self>) -> Result<(), EngineError> {
        self.join_at_last().await?;
        let mut summing = Attempts::at("sum");
        while let Err(error) = self.sum_up().await {
            summing.note(Err(error));
            tokio::time::sleep(SUM_AGAIN_AFTER).await;
        }
        let (hint, hinted) = watch::channel(());
        tokio::join!(
            self.listen(&hint),
            self.hurried("feed", FEED_EVERY, hinted.clone(), || self.catch_up()),
            self.every("learn", LEARN_EVERY, || self.learn_aside()),
            self.every("learn_returns", LEARN_RETURNS_EVERY, || self
                .learn_returns_aside()),
            self.every("incidents", REPLAN_EVERY, || self.replan()),
            self.every("sweep", SWEEP_EVERY, || self.sweep_aside()),
            self.every("note_polls", NOTE_EVERY, || self.note_polls()),
            self.hurried("publish", PUBLISH_EVERY, hinted, || self.publish_if_due()),
            self.every("try_again", TRY_AGAIN_EVERY, || self.store().try_again()),
            self.every("planned", PLANNED_EVERY, || self.read_planned()),
            self.every("replica", NOTE_REPLICA_EVERY, || self.note_replica()),
            self.every("purge", PURGE_EVERY, || self.purge()),
            self.every("retire", RETIRE_EVERY, || self.retire()),
            self.every("drift", DRIFT_EVERY, || self.watch_drift()),
            self.every("snapshot", SNAPSHOT_LOOK_EVERY, || self
                .keep_snapshot_if_due()),
        );
        Ok(())
    }

    /// Passes on other processes' notifications of writes.
    async fn listen(&self, hint: &watch::Sender<()>) {
        loop {
            self.store().hinted().await;
            hint.send_replace(());
        }
    }

    async fn every<F, E>(&self, task: &'static str, period: Duration, mut step: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let (mut ticks, mut attempts) = (ticks(period), Attempts::at(task));
        loop {
            ticks.tick().await;
            attempts.note(step().await);
        }
    }

    /// As [`Self::every`], and also at each notification.
    async fn hurried<F, E>(
        &self,
        task: &'static str,
        period: Duration,
        mut hinted: watch::Receiver<()>,
        mut step: impl FnMut() -> F,
    ) where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let (mut ticks, mut attempts) = (ticks(period), Attempts::at(task));
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The sender lives as long as this function.
                _ = hinted.changed() => ticks.reset(),
            }
            attempts.note(step().await);
            tokio::time::sleep(HINTED_EVERY).await;
        }
    }

    async fn replan(&self) -> Result<(), IncidentError> {
        let Some(_term) = self.store().take_lease(Lease::Incidents, Turn::Now).await? else {
            return Ok(());
        };
        self.replan_outages().await
    }

    /// Learning is a tenth of a second of computation, so it does not run on a thread that answers.
    async fn learn_aside(self: &Arc<Self>) -> Result<(), EngineError> {
        let engine = Arc::clone(self);
        run_blocking(move || {
            engine.learn();
            engine.measure_forecast();
        })
        .await
    }

    async fn learn_returns_aside(self: &Arc<Self>) -> Result<(), EngineError> {
        let engine = Arc::clone(self);
        let lessons = run_blocking(move || engine.learn_returns()).await?;
        self.keep(&lessons).await
    }

    async fn sweep_aside(self: &Arc<Self>) -> Result<(), EngineError> {
        let engine = Arc::clone(self);
        run_blocking(move || engine.sweep()).await
    }

    /// Updates the forecast from poll records, and drops expired certificates from memory.
    pub fn sweep(&self) {
        self.look_through(self.now() - EXPIRED_ANSWERED_SECONDS);
        metrics::gauge!("offpeak_certificates_indexed").set(real_len(self.certificates_indexed()));
        self.show_shadows();
    }

    /// Removes one step of expired certificates from the store, unless another process is doing so.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self) -> Result<(), StoreError> {
        let Some(_term) = self.store().take_lease(Lease::Purge, Turn::Now).await? else {
            return Ok(());
        };
        let before = self.now() - EXPIRED_ANSWERED_SECONDS;
        let memory = self.memory();
        let ca_of = |issuer: &KeyIdentifier| {
            memory
                .config
                .ca_of(issuer)
                .map_or_else(CaName::default, |at| memory.config.cas[at].name.clone())
        };
        let purged = self
            .store()
            .purge_expired(before, PURGE_ROWS, &ca_of)
            .await?;
        if purged > 0 {
            tracing::info!(event = "purged", certificates = purged);
        }
        Ok(())
    }

    async fn retire(&self) -> Result<(), StoreError> {
        let now = self.now();
        let kept_from = now - self.config().retention_seconds;
        self.memory().trim(kept_from);
        self.memory().trim_shadows(kept_from);
        let Some(_term) = self.store().take_lease(Lease::Sweep, Turn::Now).await? else {
            return Ok(());
        };
        self.store().sweep_tables(now).await?;
        self.store().sweep_polls(now - RECORDS_KEPT_SECONDS).await?;
        self.store()
            .sweep_gateway(now - GATEWAY_KEPT_SECONDS)
            .await?;
        self.store().sweep_names(now).await?;
        self.store().sweep_sources(now - COUNTED_SECONDS).await?;
        self.store()
            .sweep_observations(kept_from, now - BATCH_OPEN_SECONDS, now - KEYS_SECONDS)
            .await
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// The attempts at a task. A failure is logged at once; the same error again, once a minute, because
/// a task that is tried each second would otherwise fill the log.
pub(super) struct Attempts {
    task: &'static str,
    logged: Option<(String, Instant)>,
}

impl Attempts {
    pub(super) const fn at(task: &'static str) -> Self {
        Self { task, logged: None }
    }

    pub(super) fn note(&mut self, outcome: Result<(), impl std::fmt::Display>) {
        let Err(error) = outcome else {
            return;
        };
        let (task, error) = (self.task, error.to_string());
        metrics::counter!("offpeak_task_failures_total", "task" => task).increment(1);
        if self.is_new(&error, Instant::now()) {
            tracing::warn!(event = "task_failed", task, %error);
        }
    }

    fn is_new(&mut self, error: &str, now: Instant) -> bool {
        let known = self.logged.as_ref();
        let is_new =
            known.is_none_or(|(logged, at)| logged != error || now - *at >= SAID_AGAIN_AFTER);
        if is_new {
            self.logged = Some((error.to_owned(), now));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_logged_at_once_and_again_after_a_minute_or_another() {
        let start = Instant::now();
        let mut attempts = Attempts::at("feed");
        let mut is_new =
            |error, seconds| attempts.is_new(error, start + Duration::from_secs(seconds));
        assert!(is_new("disk full", 0));
        assert!(!is_new("disk full", 1));
        assert!(!is_new("disk full", 59));
        assert!(is_new("disk full", 60));
        assert!(!is_new("disk full", 119));
        assert!(is_new("no route", 119));
        assert!(is_new("disk full", 119));
    }
}
