//! Notifications between processes: a process that has written sends one, and the others read the
//! feed at once instead of at their next turn. LISTEN needs a connection of its own. Without one,
//! or if a pooler swallows the notifications, the feed is read at its usual turns.

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
/// NOTIFY takes a lock that is shared by the whole cluster, and holds it until its transaction
/// commits. If it were part of the transactions that write, these would commit one after the other.
/// So it follows them, once for all of the last milliseconds.
const SAID_EVERY: Duration = Duration::from_millis(50);
/// A listener that heard nothing for this long asks whether its connection lives.
const QUIET: Duration = Duration::from_secs(30);
/// Between two tries to listen again: doubled each time …
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Says hints and hears those of others.
#[derive(Debug)]
pub(super) struct ChangeNotifier {
    options: PgConnectOptions,
    /// The name in this process's notifications, so that it ignores its own.
    name: Arc<str>,
    wanted: Arc<Notify>,
    saying: JoinHandle<()>,
    listener: Mutex<Option<PgListener>>,
}

/// What came of listening for a while.
enum Heard {
    Nothing,
    /// Another process has written, or may have while nobody listened.
    Something,
}

impl ChangeNotifier {
    pub(super) fn new(pool: Sessions, options: PgConnectOptions) -> Self {
        let name: Arc<str> = format!("{:016x}", rand::random::<u64>()).into();
        let wanted = Arc::new(Notify::new());
        let saying = tokio::spawn(say(pool, Arc::clone(&wanted), Arc::clone(&name)));
        Self {
            options,
            name,
            wanted,
            saying,
            listener: Mutex::default(),
        }
    }

    /// Says soon that something was written.
    pub(super) fn say(&self) {
        self.wanted.notify_one();
    }

    /// Waits until another process says so. A listener that is lost is made anew.
    pub(super) async fn heard(&self) {
        let mut listener = self.listener.lock().await;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.listen(&mut listener).await {
                Ok(Heard::Nothing) => {}
                Ok(Heard::Something) => return,
                Err(error) => {
                    *listener = None;
                    // The feed says aloud that the database is away; this is about one connection.
                    tracing::debug!(event = "listener_lost", %error);
                    metrics::counter!("offpeak_hint_listeners_lost_total").increment(1);
                    // Not all processes at the same moment.
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn listen(&self, listener: &mut Option<PgListener>) -> sqlx::Result<Heard> {
        let Some(listening) = listener else {
            *listener = Some(within(PATIENCE, self.connect()).await?);
            return Ok(Heard::Something);
        };
        match tokio::time::timeout(QUIET, listening.try_recv()).await {
            Ok(Ok(Some(hint))) if hint.payload() == &*self.name => Ok(Heard::Nothing),
            Ok(Ok(Some(_))) => Ok(Heard::Something),
            Ok(Ok(None)) => Err(sqlx::Error::WorkerCrashed),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                within(PATIENCE, sqlx::query("SELECT 1").execute(listening)).await?;
                Ok(Heard::Nothing)
            }
        }
    }

    /// A pool of its own each time: a connection that is lost without a word is never given back.
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
        self.saying.abort();
    }
}

async fn say(pool: Sessions, wanted: Arc<Notify>, name: Arc<str>) {
    loop {
        wanted.notified().await;
        // With their places given, so that whoever hears it need not.
        let say = sqlx::query("SELECT place_outbox(), pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(&*name);
        if let Err(error) = observed("hint", within(PATIENCE, say.execute(&pool))).await {
            tracing::debug!(event = "hint_lost", %error);
        }
        tokio::time::sleep(SAID_EVERY).await;
    }
}
