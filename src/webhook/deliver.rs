//! Delivers a message, with retries for most of a day, from one process at a time.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::event::Event;
use super::sign::{Secret, SecretError};
use crate::config::WebhookConfig;
use crate::domain::time::{DAY, MINUTE};
use crate::engine::Engine;
use crate::store::StoreError;

/// The wait before each attempt, as proposed by Standard Webhooks: 27 h in total.
const BEFORE_ATTEMPTS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];
/// The longest time for an answer, as proposed by Standard Webhooks.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);
/// How much longer than the wait a claim lasts: for the attempt itself, on a busy machine.
const CLAIM_SECONDS: i64 = 2 * MINUTE;
/// The pause before trying again to claim a message if the store is unavailable.
const STORE_ASKED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Identifies this process among those that share the store.
static HOLDER: LazyLock<i64> = LazyLock::new(rand::random);

/// Does not follow redirects, so that a message only goes where the configuration says.
static CLIENT: LazyLock<Result<Client, String>> = LazyLock::new(|| {
    let client = Client::builder()
        .timeout(LONGEST_ANSWER)
        .redirect(Policy::none())
        .user_agent(concat!("offpeak/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| error.to_string())
});

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("{0}")]
    Client(String),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("it answers {0}")]
    Refused(StatusCode),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Delivers a message to a webhook, unless another process does.
pub(super) async fn deliver(engine: Arc<Engine>, hook: WebhookConfig, event: Event) {
    let key = key(&hook.url, &event.id);
    for wait in BEFORE_ATTEMPTS {
        if !claimed(&engine, &key, wait).await {
            tracing::debug!(event = "webhook_left_to_another", message_id = event.id);
            return;
        }
        sleep(wait).await;
        let outcome = attempt(&engine, &hook, &event).await;
        let counted = if outcome.is_ok() {
            "delivered"
        } else {
            "failed"
        };
        metrics::counter!("offpeak_webhook_attempts_total", "type" => event.kind, "outcome" => counted)
            .increment(1);
        match outcome {
            Ok(()) => {
                tracing::info!(event = "webhook_delivered", message_id = event.id);
                return end(&engine, &key).await;
            }
            // The receiver no longer exists, and says so.
            Err(AttemptError::Refused(StatusCode::GONE)) => {
                tracing::error!(event = "webhook_gone", message_id = event.id);
                return end(&engine, &key).await;
            }
            Err(error) => {
                tracing::warn!(event = "webhook_not_delivered", message_id = event.id, %error);
            }
        }
    }
    tracing::error!(event = "webhook_given_up", message_id = event.id);
    end(&engine, &key).await;
}

async fn attempt(engine: &Engine, hook: &WebhookConfig, event: &Event) -> Result<(), AttemptError> {
    let secret = Secret::read(&hook.secret_file).await?;
    let client = CLIENT.as_ref();
    let client = client.map_err(|error| AttemptError::Client(error.clone()))?;
    let (body, now) = (event.body(), engine.now().unix());
    // The URL may contain a secret, so errors are logged without it.
    let answer = client
        .post(&hook.url)
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", &event.id)
        .header("webhook-timestamp", now.to_string())
        .header("webhook-signature", secret.sign(&event.id, now, &body))
        .body(body)
        .send()
        .await
        .map_err(reqwest::Error::without_url)?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(AttemptError::Refused(answer.status()))
    }
}

/// Claims the delivery for this process, until some time after the wait; returns whether that
/// succeeded.
async fn claimed(engine: &Engine, key: &str, wait: Duration) -> bool {
    loop {
        let wait = i64::try_from(wait.as_secs()).unwrap_or(DAY);
        match claim(engine, key, wait).await {
            Ok(claimed) => return claimed,
            Err(error) => {
                tracing::warn!(event = "webhook_waits", %error);
                sleep(STORE_ASKED_AGAIN_AFTER).await;
            }
        }
    }
}

async fn claim(engine: &Engine, key: &str, wait_seconds: i64) -> Result<bool, StoreError> {
    let now = engine.now();
    let until = now + wait_seconds + CLAIM_SECONDS;
    engine
        .store()
        .claim_delivery(key, *HOLDER, now, until)
        .await
}

async fn end(engine: &Engine, key: &str) {
    if let Err(error) = engine.store().end_delivery(key, engine.now()).await {
        tracing::warn!(event = "webhook_end_not_noted", %error);
    }
}

/// Identifies a message to a receiver; hashed, because a URL may contain a secret.
fn key(url: &str, id: &str) -> String {
    format!("{} {id}", URL_SAFE_NO_PAD.encode(&Sha256::digest(url)[..8]))
}
