//! Connects `domain::admission` to the proxy.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval};

use super::queue::{Queue, Verdict};
use super::{Admission, Decision, NewOrder, Outcome, Renewal};
use crate::config::{Config, GatewayConfig};
use crate::domain::admission::{self as domain, AccountLimit, Ceiling, Limits, Party, Request};
use crate::domain::math::number::{real, real_len};
use crate::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};
use crate::engine::Engine;

/// A missing answer is ignored if it is reported sooner than this. No known client gives up sooner,
/// so the client left for another reason.
const WAITED: Duration = Duration::from_secs(10);

/// How often the number of held requests is reported; the CA's capacity is updated every minute.
const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// The size assumed for a request, 8 kB: a new order with a hundred names and an RSA signature. It
/// determines the limit on the total size of held bodies.
const USUAL_OCTETS: usize = 8 * 1024;

/// Holds orders above the upstream's limit, and rejects those without a place.
#[derive(Debug)]
pub struct Hold {
    queue: Arc<Queue>,
}

impl Hold {
    /// An empty queue. `now` is the present time.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(now: Timestamp, limits: Limits) -> Self {
        Self {
            queue: Queue::start(now, limits),
        }
    }

    /// Adopts a new configuration. Held requests stay.
    pub fn adopt(&self, limits: Limits) {
        self.queue.adopt(limits);
    }

    /// The process stops. After this time, requests that are still held get 503 with an assigned
    /// second, because their connections will be cut. Until then nothing changes.
    pub fn close(&self, after: Duration) {
        self.queue.close(after);
    }

    /// Follows the CA's capacity and reports the number of held requests; does not return.
    pub async fn follow(self: Arc<Self>, engine: Arc<Engine>, config: GatewayConfig) {
        let held = metrics::gauge!("offpeak_gateway_held", "gateway" => config.name.clone());
        let mut ticks = interval(LOOKS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut adopted = None;
        loop {
            ticks.tick().await;
            held.set(real_len(self.queue.held()));
            let minute = engine.now().slot(MINUTE);
            if adopted != Some(minute) {
                self.queue
                    .adopt(limits(&config, &engine.config(), engine.now()));
                adopted = Some(minute);
            }
        }
    }
}

/// The configuration of admission: the gateway's own keys, and its CA's capacity for the next day.
#[must_use]
pub fn limits(gateway: &GatewayConfig, config: &Config, now: Timestamp) -> Limits {
    let day = Span {
        from: now,
        to: now + 2 * DAY,
    };
    let policy = config.cas.iter().find(|policy| policy.name == gateway.ca);
    let rules = policy.map_or(&[][..], |policy| &policy.capacity);
    let ceilings = rules.iter().flat_map(|rule| {
        // A share is relative to the normal rate, which is known only if it is configured.
        let share = match gateway.new_orders_per_second {
            _ if rule.share <= 0.0 => Some(0.0),
            Some(normal) if rule.share < 1.0 => Some(rule.share * normal),
            _ => None,
        };
        let ceiling = rule.ceiling_per_hour.map(|per_hour| per_hour / real(HOUR));
        let per_second = share.into_iter().chain(ceiling).reduce(f64::min);
        let spans = per_second.map(|per_second| (rule.spans_within(day), per_second));
        spans.into_iter().flat_map(|(spans, per_second)| {
            spans
                .into_iter()
                .map(move |span| Ceiling { span, per_second })
        })
    });
    Limits {
        new_orders_per_second: gateway.new_orders_per_second,
        ceilings: ceilings.collect(),
        held: gateway.held,
        held_octets: gateway.held.saturating_mul(USUAL_OCTETS),
        per_account: gateway.account_orders.map(|orders| AccountLimit {
            orders,
            seconds: gateway.account_period_seconds,
        }),
    }
}

#[async_trait]
impl Admission for Hold {
    async fn admit(&self, order: &NewOrder) -> Decision {
        match self.queue.admit(&request(order)).await {
            Verdict::Forward => Decision::Forward(0),
            Verdict::OverLimit {
                retry_after_seconds,
            } => Decision::OverLimit {
                retry_after_seconds: within_a_day(retry_after_seconds),
            },
            Verdict::TurnAway {
                retry_after_seconds,
            } => Decision::TurnAway {
                retry_after_seconds: within_a_day(retry_after_seconds),
            },
        }
    }

    fn report(&self, outcome: &Outcome) {
        if outcome.ticket.is_none() {
            return;
        }
        let came = match outcome.status {
            None if outcome.latency < WAITED => return self.queue.abandoned(),
            None | Some(500 | 502..=504) => domain::Outcome::Overloaded,
            Some(200..=299) => domain::Outcome::Answered,
            Some(_) => domain::Outcome::Refused,
        };
        self.queue.answered(outcome.latency, came);
    }

    fn is_loaded(&self) -> bool {
        self.queue.is_loaded()
    }
}

/// The order in the form for `domain::admission`. An unverified order counts as a first order of
/// its address.
fn request(order: &NewOrder) -> Request {
    let party = match order.account {
        Some(account) if order.verified => Party::Account(half(account)),
        _ => Party::Address(half(order.address)),
    };
    let (Party::Account(of) | Party::Address(of)) = party;
    Request {
        party,
        order: half(order.names) ^ of.rotate_left(1),
        renewal: match order.renewal {
            Renewal::Due => domain::Renewal::Due,
            Renewal::Early => domain::Renewal::Early,
            Renewal::No => domain::Renewal::No,
        },
        failures: order.failures,
        hold_seconds: order.hold_seconds,
        octets: order.octets,
    }
}

/// Half of a keyed hash: 64 bits suffice to distinguish a million orders.
fn half(hash: u128) -> u64 {
    u64::try_from(hash & u128::from(u64::MAX)).unwrap_or_default()
}

fn within_a_day(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(1, DAY)).unwrap_or(60)
}
