//! Notifications between processes: a process that has written sends one, and the others read the feed
//! at once instead of at the next interval. LISTEN needs its own connection. Without one, or if a
//! pooler drops the notifications, the feed is read at its usual interval.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

use super::pool::{PATIENCE, within};
use super::session::Sessions;
use crate::store::query::observed;

/// The notification channel.
const CHANNEL: &str = "offpeak_changes";
/// How often notifications are sent. NOTIFY takes a lock of the whole cluster until its transaction
/// commits. As a part of the transactions that write, it would make these commit one after the other.
/// So it is sent after them, once for all of this time.
const NOTIFIED_EVERY: Duration = Duration::from_millis(50);
/// A listener that receives nothing for this long checks its connection.
const QUIET: Duration = Duration::from_secs(30);
/// The pause before listening is tried again: doubled each time …
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sends and receives notifications.
#[derive(Debug)]
pub(super) struct ChangeNotifier {
    options: PgConnectOptions,
    /// The name of this process in its notifications, by which it ignores them.
    name: Arc<str>,
    wanted: Arc<Notify>,
    notifying: JoinHandle<()>,
    listener: Mutex<Option<PgListener>>,
}

/// The result of listening for a while.
enum Received {
    Nothing,
    /// Another process has written, or may have while there was no listener.
    Something,
}

impl ChangeNotifier {
    pub(super) fn new(pool: Sessions, options: PgConnectOptions) -> Self {
        let name: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
        let wanted = Arc::new(Notify::new());
        let notifying = tokio::spawn(notify(pool, Arc::clone(&wanted), Arc::clone(&name)));
        Self {
            options,
            name,
            wanted,
            notifying,
            listener: Mutex::default(),
        }
    }

    /// Sends a notification soon.
    pub(super) fn notify(&self) {
        self.wanted.notify_one();
    }

    /// Waits for a notification of another process. A lost listener is replaced.
    pub(super) async fn received(&self) {
        let mut listener = self.listener.lock().await;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listen(&mut listener).await {
                Ok(Received::Nothing) => {}
                Ok(Received::Something) => return,
                Err(error) => {
                    *listener = None;
                    // The feed logs at a higher level if the database is unavailable; this is about one
                    // connection.
                    tracing::debug!(event = "listener_lost", %error);
                    metrics::counter!("offpeak_hint_listeners_lost_total").increment(1);
                    // At random, so that not all processes do it at the same moment.
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn listen(&self, listener: &mut Option<PgListener>) -> sqlx::Result<Received> {
        let Some(listening) = listener else {
            *listener = Some(within(PATIENCE, self.connect()).await?);
            return Ok(Received::Something);
        };
        match tokio::time::timeout(QUIET, listening.try_recv()).await {
            Ok(Ok(Some(hint))) if hint.payload() == &*self.name => Ok(Received::Nothing),
            Ok(Ok(Some(_))) => Ok(Received::Something),
            Ok(Ok(None)) => Err(sqlx::Error::WorkerCrashed),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                within(PATIENCE, sqlx::query("SELECT 1").execute(listening)).await?;
                Ok(Received::Nothing)
            }
        }
    }

    /// A new pool each time, because a connection that is lost without an error is never returned.
    async fn connect(&self) -> sqlx::Result<PgListener> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

impl Drop for ChangeNotifier {
    fn drop(&mut self) {
        self.notifying.abort();
    }
}

async fn notify(pool: Sessions, wanted: Arc<Notify>, name: Arc<str>) {
    loop {
        wanted.notified().await;
        // Positions are given here, so that the process that receives the notification does not have
        // to.
        let notify = sqlx::query("SELECT place_outbox(), pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(&*name);
        if let Err(error) = observed("hint", within(PATIENCE, notify.execute(&pool))).await {
            tracing::debug!(event = "hint_lost", %error);
        }
        tokio::time::sleep(NOTIFIED_EVERY).await;
    }
}
