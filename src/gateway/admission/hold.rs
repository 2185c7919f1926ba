//! The gateway's admission: what `domain::admission` decides, at the proxy's seam.

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

/// An answer that did not come, told sooner than this, was not waited for: no client that is known gives
/// up sooner, so its client went for another reason.
const WAITED: Duration = Duration::from_secs(10);

/// How often the number of held requests is told; the CA's capacity is followed by the minute.
const LOOKS_EVERY: Duration = Duration::from_secs(5);

/// A request for a new order with a hundred names and an RSA signature has 8 kB; the bound on all bodies
/// is as if each had that many octets.
const USUAL_OCTETS: usize = 8 * 1024;

/// Holds orders above the upstream's limit, and turns away those that find no place.
#[derive(Debug)]
pub struct Hold {
    queue: Arc<Queue>,
}

impl Hold {
    /// Nothing is held yet. `now` is the time of the clock.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(now: Timestamp, limits: Limits) -> Self {
        Self {
            queue: Queue::start(now, limits),
        }
    }

    /// Takes a new configuration over; what is held stays.
    pub fn adopt(&self, limits: Limits) {
        self.queue.adopt(limits);
    }

    /// The process stops: until so much later requests go on as they did, and then whoever is still held is
    /// answered 503 with a second of its own, since its connection would be cut.
    pub fn close(&self, after: Duration) {
        self.queue.close(after);
    }

    /// Follows the CA's capacity and tells how many requests are held, for ever.
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

/// What is configured of admission: the gateway's own keys, and its CA's capacity in the day ahead.
#[must_use]
pub fn limits(gateway: &GatewayConfig, config: &Config, now: Timestamp) -> Limits {
    let day = Span {
        from: now,
        to: now + 2 * DAY,
    };
    let policy = config.cas.iter().find(|policy| policy.name == gateway.ca);
    let rules = policy.map_or(&[][..], |policy| &policy.capacity);
    let ceilings = rules.iter().flat_map(|rule| {
        // A share is of what is normal, which is known only where it is configured.
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

    fn told(&self, outcome: &Outcome) {
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

/// What the core is told of an order. Of one that was not verified nothing is believed: it takes turns by
/// its address, and is a first order.
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

/// Half of a keyed hash: 64 bits are enough to tell a million orders apart.
fn half(hash: u128) -> u64 {
    u64::try_from(hash & u128::from(u64::MAX)).unwrap_or_default()
}

fn within_a_day(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(1, DAY)).unwrap_or(60)
}
