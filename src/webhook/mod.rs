//! Sends messages about events by HTTP, as Standard Webhooks (<https://www.standardwebhooks.com>)
//! has it: one for each breach, outage and change of an incident, whichever process sees it first.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Topic, WebhookConfig};
use crate::engine::Engine;

mod deliver;
mod event;
mod sign;

pub use sign::{Secret, SecretError};

use deliver::deliver;
use event::{Event, Outages, breaches, incidents};

/// How often it is looked what happened: load is counted by the minute.
const LOOKED_EVERY: Duration = Duration::from_secs(5);
/// Messages that are being delivered at once, of all webhooks; each waits for hours where nobody answers.
/// What is more begins when there is room, if it still lasts then; the log says so.
const MOST_UNDER_WAY: usize = 1_000;

/// Tells every `[[webhook]]` what it wants to know, for ever. A configuration that is read again counts
/// from then on.
pub async fn notify(engine: Arc<Engine>) {
    let mut ticks = interval(LOOKED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut notifier = Notifier::default();
    loop {
        ticks.tick().await;
        notifier.look(&engine);
    }
}

/// What one process has seen, and is telling.
#[derive(Debug, Default)]
pub struct Notifier {
    outages: Outages,
    /// By the URL of the webhook, the ids of what it is being told or was.
    taken: HashMap<String, HashSet<String>>,
    under_way: JoinSet<()>,
}

impl Notifier {
    /// Checks for events, and begins to send new ones.
    pub fn look(&mut self, engine: &Arc<Engine>) {
        while self.under_way.try_join_next().is_some() {}
        let config = engine.config();
        if config.webhooks.is_empty() {
            return;
        }
        self.outages.look(engine);
        for hook in &config.webhooks {
            let events = events(engine, hook, &self.outages);
            let taken = self.taken.entry(hook.url.clone()).or_default();
            taken.retain(|id| events.iter().any(|event| event.id == *id));
            for event in events {
                if taken.contains(&event.id) {
                    continue;
                }
                if self.under_way.len() >= MOST_UNDER_WAY {
                    tracing::error!(event = "webhook_waits_for_others", message_id = event.id);
                    continue;
                }
                taken.insert(event.id.clone());
                self.under_way
                    .spawn(deliver(Arc::clone(engine), hook.clone(), event));
            }
        }
    }

    /// Waits until all messages in progress have been delivered, or are left to another process.
    pub async fn told(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }
}

/// What lasts or was of late, as far as this webhook wants to know.
fn events(engine: &Engine, hook: &WebhookConfig, outages: &Outages) -> Vec<Event> {
    let mut found = Vec::new();
    for topic in &hook.on {
        match topic {
            Topic::FailureRate => found.extend(breaches(engine, hook)),
            Topic::Incident => found.extend(incidents(engine, hook.ca.as_ref())),
            Topic::Outage => found.extend(outages.told(hook.ca.as_ref())),
        }
    }
    found
}
