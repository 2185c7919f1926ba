//! Sends messages about events by HTTP, by Standard Webhooks (<https://www.standardwebhooks.com>):
//! one for each breach, outage and incident change, from the process that sees it first.

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

/// How often events are checked; load is counted by minute.
const LOOKED_EVERY: Duration = Duration::from_secs(5);
/// The most deliveries in progress, over all webhooks; without an answer each lasts for hours.
/// Further ones begin when there is room, if the event still lasts; this is logged.
const MOST_UNDER_WAY: usize = 1_000;

/// Sends every `[[webhook]]` the events it asks for; does not return. A reloaded configuration
/// takes effect at once.
pub async fn notify(engine: Arc<Engine>) {
    let mut ticks = interval(LOOKED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut notifier = Notifier::default();
    loop {
        ticks.tick().await;
        notifier.look(&engine);
    }
}

/// What a process has seen, and is delivering.
#[derive(Debug, Default)]
pub struct Notifier {
    outages: Outages,
    /// By the webhook's URL, the ids of events delivered or in progress.
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
    pub async fn delivered(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }
}

/// Present and recent events that this webhook asks for.
fn events(engine: &Engine, hook: &WebhookConfig, outages: &Outages) -> Vec<Event> {
    let mut found = Vec::new();
    for topic in &hook.on {
        match topic {
            Topic::FailureRate => found.extend(breaches(engine, hook)),
            Topic::Incident => found.extend(incidents(engine, hook.ca.as_ref())),
            Topic::Outage => found.extend(outages.events(hook.ca.as_ref())),
        }
    }
    found
}
