//! Admission: which new orders are forwarded to the upstream, and when (`docs/admission.md`).
//!
//! It levels load at the scale of seconds. Excess requests wait in a queue for as long as their
//! clients wait. A request is rejected only if there is no place for it, and is then assigned a
//! future second that has capacity. [`Admission`] is a state machine: calls ask it what to do, and
//! it says when it needs to be called again. It does nothing by itself.

use std::collections::HashMap;

mod account_limit;
mod backoff;
mod limits;
mod line;
mod moment;
mod pace;
mod patience;
mod promises;
mod ranked;
mod request;
#[cfg(test)]
mod tests;
mod upstream;

pub use account_limit::AccountLimit;
pub use limits::{Ceiling, Limits};
pub use line::Ticket;
pub use moment::{Moment, SECOND, nanos, seconds};
pub use pace::Pace;
pub use patience::{INTERIM_EVERY_SECONDS, USUAL_SECONDS, hold_seconds, hold_seconds_with_interim};
pub use request::{Decision, Event, Party, Renewal, Request};
pub use upstream::{Outcome, Shown};

use account_limit::Used;
use line::{Line, Standing};
use promises::{Arrival, Booking, Promises};

use crate::math::number::{real, real_len, whole};

/// While requests are held, the upstream's rate is re-evaluated this often, in nanoseconds.
const LOOK_NANOS: i64 = SECOND;

/// A request is held only if its turn is expected within this share of its hold time. The rest is a
/// margin for turns that come later than estimated.
const HELD_SHARE: f64 = 0.95;

/// Decides which new orders pass, which wait, and when the others may return.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: Limits,
    shown: Shown,
    pace: Pace,
    line: Line,
    waiting: HashMap<Ticket, Request>,
    octets: usize,
    displaced: Vec<(Ticket, Request)>,
    promises: Promises,
    used: Used,
    /// From this time nothing is held, because the process stops.
    closes: Option<Moment>,
}

impl Admission {
    /// The initial state.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            shown: Shown::default(),
            pace: Pace::default(),
            line: Line::default(),
            waiting: HashMap::new(),
            octets: 0,
            displaced: Vec::new(),
            promises: Promises::default(),
            used: Used::default(),
            closes: None,
        }
    }

    /// Adopts a new configuration. Held requests stay.
    pub fn adopt(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Stops holding from `at` on. Requests still held then are rejected, and so are later ones
    /// that cannot be forwarded at once. Until then nothing changes.
    pub fn close(&mut self, at: Moment) {
        self.closes = Some(at);
    }

    /// Decides about a new order. Requests that continue an order need no decision, because an
    /// unfinished order would waste what was spent on it.
    pub fn ask(&mut self, now: Moment, request: &Request) -> Decision {
        self.promises.advance(now.second());
        if let Some(retry_after_seconds) = self.over_limit(now, request) {
            return Decision::OverLimit {
                retry_after_seconds,
            };
        }
        let rate = self.per_second(now);
        let is_free = self.line.len() == 0
            && rate.is_none_or(|rate| self.pace.next(rate).is_some_and(|next| next <= now));
        if is_free {
            self.settle(now, request);
            self.send(now, rate);
            return Decision::Forward;
        }
        self.shown.used_up(now);
        let rate = rate.unwrap_or_default();
        match self.hold(now, request, rate) {
            Some(ticket) => Decision::Hold(ticket),
            None => Decision::TurnAway {
                retry_after_seconds: self.retry_after_seconds(now, request),
            },
        }
    }

    /// What to do with a held request now. `None`: nothing before [`Admission::wakes_at`].
    pub fn next(&mut self, now: Moment) -> Option<Event> {
        self.promises.advance(now.second());
        let ended = self.displaced.pop().or_else(|| {
            let ticket = match self.closes {
                Some(closes) if closes <= now => self.line.pop(now),
                _ => self.line.pop_ended(now),
            }?;
            Some((ticket, self.forget(ticket)?))
        });
        if let Some((ticket, request)) = ended {
            return Some(Event::TurnAway {
                ticket,
                retry_after_seconds: self.retry_after_seconds(now, &request),
            });
        }
        if self.line.len() == 0 {
            return None;
        }
        let rate = self.per_second(now);
        if let Some(rate) = rate {
            self.shown.used_up(now);
            if self.pace.next(rate).is_none_or(|next| next > now) {
                return None;
            }
        }
        let ticket = self.line.pop(now)?;
        self.forget(ticket);
        self.send(now, rate);
        Some(Event::Forward(ticket))
    }

    /// When to call [`Admission::next`] again. `None`: not before another request arrives.
    pub fn wakes_at(&mut self, now: Moment) -> Option<Moment> {
        if !self.displaced.is_empty() {
            return Some(now);
        }
        let ends = self.line.first_end()?;
        let ends = self.closes.map_or(ends, |closes| closes.min(ends));
        let goes = match self.per_second(now) {
            None => Some(now),
            Some(rate) => self.pace.next(rate),
        };
        let look = now + LOOK_NANOS;
        Some(goes.map_or(ends, |goes| goes.min(ends)).clamp(now, look))
    }

    /// The client of a held request disconnected. False if the request is no longer held.
    pub fn leave(&mut self, now: Moment, ticket: Ticket) -> bool {
        let is_held = self.line.remove(now, ticket);
        self.displaced.retain(|(other, _)| *other != ticket);
        self.forget(ticket);
        is_held
    }

    /// A forwarded request did not reach the upstream, because its client disconnected first.
    pub fn unused(&mut self, now: Moment) {
        if let Some(rate) = self.per_second(now) {
            self.pace.give_back(rate);
        }
        self.shown.abandoned();
    }

    /// The client of a forwarded request disconnected before the upstream answered.
    pub fn abandoned(&mut self) {
        self.shown.abandoned();
    }

    /// The upstream answered a forwarded request; `latency_nanos` after it was sent.
    pub fn answered(&mut self, now: Moment, latency_nanos: i64, outcome: Outcome) {
        self.shown.answered(now, latency_nanos, outcome);
    }

    /// The most new orders a second that are forwarded. `None` if no limit is configured and none
    /// was measured.
    pub fn per_second(&mut self, now: Moment) -> Option<f64> {
        let shown = self.shown.per_second(now);
        self.limits.least(now.second(), shown)
    }

    /// The number of held requests.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    /// Whether demand exceeds what the upstream can handle: requests are held, or a limit was
    /// measured.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.line.len() > 0 || self.shown.per_second_when_well().is_some()
    }

    fn over_limit(&self, now: Moment, request: &Request) -> Option<i64> {
        let (Party::Account(account), Some(limit)) = (request.party, self.limits.per_account)
        else {
            return None;
        };
        let wait = self.used.wait_nanos(account, now, limit);
        (wait > 0).then(|| whole(seconds(wait).ceil()).max(1))
    }

    fn hold(&mut self, now: Moment, request: &Request, rate: f64) -> Option<Ticket> {
        let patience = request.hold_seconds.max(0).saturating_mul(SECOND);
        let patience = match self.closes {
            Some(closes) => patience.min((closes - now).max(0)),
            None => patience,
        };
        let standing = Standing {
            class: self.class(now, request),
            party: match request.party {
                Party::Account(hash) | Party::Address(hash) => hash,
            },
            patience_nanos: patience,
        };
        let next = self.pace.next(rate)?;
        let wait =
            seconds((next - now).max(0)) + real_len(self.line.ahead_of(now, standing)) / rate;
        if wait > HELD_SHARE * seconds(patience) {
            return None;
        }
        while self.line.len() >= self.limits.held
            || self.octets + request.octets > self.limits.held_octets
        {
            // A request behind it gives up its place.
            if !self.line.is_before_last(now, standing) {
                return None;
            }
            let last = self.line.pop_last(now)?;
            let request = self.forget(last)?;
            self.displaced.push((last, request));
        }
        self.settle(now, request);
        let ticket = self.line.push(now, standing);
        self.octets += request.octets;
        self.waiting.insert(ticket, *request);
        Some(ticket)
    }

    /// The class of a request: first those that arrive in their assigned second, then by the cost
    /// of waiting.
    fn class(&self, now: Moment, request: &Request) -> u8 {
        let Party::Account(_) = request.party else {
            return if backoff::is_failing(request.failures) {
                4
            } else {
                3
            };
        };
        if self.promises.arrival(request.order, now.second()) == Arrival::OnTime {
            return 0;
        }
        match request.renewal {
            _ if backoff::is_failing(request.failures) => 4,
            Renewal::Due => 1,
            Renewal::Early => 2,
            Renewal::No => 3,
        }
    }

    /// The request has a place, so its assigned second is released.
    fn settle(&mut self, now: Moment, request: &Request) {
        let is_verified = request.is_verified();
        self.promises
            .settle(request.order, now.second(), is_verified);
        if let (Party::Account(account), Some(limit)) = (request.party, self.limits.per_account) {
            self.used.take(account, now, limit);
        }
    }

    fn send(&mut self, now: Moment, rate: Option<f64>) {
        self.shown.sent(now);
        if let Some(rate) = rate {
            self.pace.take(now, rate);
        }
    }

    fn forget(&mut self, ticket: Ticket) -> Option<Request> {
        let request = self.waiting.remove(&ticket)?;
        self.octets = self.octets.saturating_sub(request.octets);
        Some(request)
    }

    fn retry_after_seconds(&mut self, now: Moment, request: &Request) -> i64 {
        let now = now.second();
        // A client that returns before its assigned second is told the same second again, so asking
        // often reserves nothing more.
        if let Arrival::Early(second) = self.promises.arrival(request.order, now) {
            return second - now;
        }
        let booking = Booking {
            order: request.order,
            is_verified: request.is_verified(),
            after_seconds: backoff::backoff_seconds(request.order, request.failures),
        };
        let well = self.shown.per_second_when_well();
        let limits = &self.limits;
        let second = self.promises.book(booking, now, |second| {
            limits
                .least(second, well)
                .map_or(u32::MAX, |rate| quota(rate, second))
        });
        second - now
    }
}

/// The number of requests for this second at a rate: an integer, whose mean over seconds is the
/// rate.
fn quota(per_second: f64, second: i64) -> u32 {
    let up_to = |second: i64| whole((per_second * real(second)).floor());
    u32::try_from(up_to(second + 1) - up_to(second)).unwrap_or(0)
}
