//! What the engine does by itself, at its own pace.

use std::sync::Arc;
use std::time::Duration;

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

/// What another process wrote is seen within a second: the feed is read twice in one.
const FEED_EVERY: Duration = Duration::from_millis(500);
/// … and at once when another process notifies this one, though under a steady stream of writes not
/// more often than fifty times a second: one reading finds all of them.
const HINTED_EVERY: Duration = Duration::from_millis(20);
/// The profile changes over weeks, but somebody who has just posted the first observations looks at
/// the result: half a minute, and the time of the feed and of learning, are less than a minute.
const LEARN_EVERY: Duration = Duration::from_secs(30);
const _: () = assert!(LEARN_EVERY.as_secs() + FEED_EVERY.as_secs() + LEARNS_SECONDS < 60);
/// Learning takes a tenth of a second for a CA; so much is left for a hundred of them on a machine
/// that is busy.
const LEARNS_SECONDS: u64 = 20;
/// Habits change in weeks; an hour is the finest difference between them.
const LEARN_RETURNS_EVERY: Duration = Duration::from_hours(1);
/// An outage whose end is unknown is planned again hours before the end that was assumed.
const TEND_EVERY: Duration = Duration::from_mins(1);
/// Evidence of polls moves the forecast, not answers.
const SWEEP_EVERY: Duration = Duration::from_mins(5);
/// What a sweep has found new is stored soon after it.
const NOTE_EVERY: Duration = Duration::from_secs(10);
/// What another process published is served within a second, as the feed is.
const PUBLISH_EVERY: Duration = FEED_EVERY;
/// Events announced to another process, read well before they begin.
const PLANNED_EVERY: Duration = Duration::from_secs(10);
/// Expired certificates are purged in steps of this many rows …
const PURGE_ROWS: u32 = 2_000;
/// … one step at a time, so that registrations get in between: 10 million certificates of 90 days
/// expire at 77 a minute and 1.3 a second; 400 a second leave room for a CA a hundred times that.
const PURGE_EVERY: Duration = Duration::from_secs(5);
/// Whether the database answers, and whether one that took no writes takes some again: as soon as an operator
/// sees it. One that stops without a word is named by `/readyz` within five seconds.
const TRY_AGAIN_EVERY: Duration = Duration::from_secs(1);
const _: () = assert!(TRY_AGAIN_EVERY.as_secs() + ANSWERS_WITHIN.as_secs() < 5);
/// How long gateways know accounts and orders: the longest common life of a certificate and some
/// days, so that its renewal finds them.
const GATEWAY_KEPT_SECONDS: i64 = 100 * DAY;
/// A log of Certificate Transparency may take a day to show what it has accepted (its maximum merge
/// delay), and one that was away may be read a day late: for so long a certificate may come again from
/// another log.
const COUNTED_SECONDS: i64 = 2 * DAY;
/// Old observations and tables.
const RETIRE_EVERY: Duration = Duration::from_hours(1);
/// Where the store failed while everything was summed from it.
const SUM_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Whether the index is to be written again.
const SNAPSHOT_LOOK_EVERY: Duration = Duration::from_mins(1);
/// Windows are given weeks ahead: an hour is soon enough to see that they have drifted.
const DRIFT_EVERY: Duration = Duration::from_hours(1);
/// Expired certificates are answered for this long after they expired.
const EXPIRED_ANSWERED_SECONDS: i64 = DAY;
/// A batch of observations left open for this long was left by a process that died.
const BATCH_OPEN_SECONDS: i64 = DAY;
/// Idempotency keys are kept for this long.
const KEYS_SECONDS: i64 = 7 * DAY;

impl Engine {
    /// Follows the change feed, learns, sweeps, publishes and purges, until it is dropped. A task
    /// that fails is logged and tried again at its next turn.
    ///
    /// # Errors
    /// [`EngineError::Store`] where the store could not be reached at the start, and turns out to be
    /// one that a start refuses.
    pub async fn run(self: Arc<Self>) -> Result<(), EngineError> {
        self.join_at_last().await?;
        while let Err(error) = self.sum_up().await {
            tried("sum", Err(error));
            tokio::time::sleep(SUM_AGAIN_AFTER).await;
        }
        let (hint, hinted) = watch::channel(());
        tokio::join!(
            self.listen(&hint),
            self.hurried("feed", FEED_EVERY, hinted.clone(), || self.catch_up()),
            self.every("learn", LEARN_EVERY, || self.learn_aside()),
            self.every("learn_returns", LEARN_RETURNS_EVERY, || self
                .learn_returns_aside()),
            self.every("incidents", TEND_EVERY, || self.replan()),
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

    /// Passes on what other processes say of their writes.
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
        let mut ticks = ticks(period);
        loop {
            ticks.tick().await;
            tried(task, step().await);
        }
    }

    /// As [`Self::every`], and at each hint as well.
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
        let mut ticks = ticks(period);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The sender lives as long as this.
                _ = hinted.changed() => ticks.reset(),
            }
            tried(task, step().await);
            tokio::time::sleep(HINTED_EVERY).await;
        }
    }

    async fn replan(&self) -> Result<(), IncidentError> {
        let Some(_term) = self.store().take_lease(Lease::Incidents, Turn::Now).await? else {
            return Ok(());
        };
        self.tend_incidents().await
    }

    /// Learning takes a tenth of a second of arithmetic: not on a thread that answers.
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

    /// Brings what polls have shown into the forecast, and drops expired certificates from memory.
    pub fn sweep(&self) {
        self.look_through(self.now() - EXPIRED_ANSWERED_SECONDS);
        metrics::gauge!("offpeak_certificates_indexed").set(real_len(self.certificates_indexed()));
        self.show_shadows();
    }

    /// Removes one step's worth of expired certificates from the store, where no other process is
    /// at it.
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

pub(super) fn tried(task: &'static str, outcome: Result<(), impl std::fmt::Display>) {
    if let Err(error) = outcome {
        tracing::warn!(event = "task_failed", task, %error);
        metrics::counter!("offpeak_task_failures_total", "task" => task).increment(1);
    }
}
