//! Admission: which new orders go on to the upstream, and when (`docs/admission.md`).
//!
//! Levelling at the scale of seconds. What is over waits in a queue for as long as its client waits; only
//! what finds no place is turned away, and told a second of its own from those ahead that have room.
//! [`Admission`] is a state machine: it is asked, and says what is to be done and when it wants to be
//! asked again. It does nothing by itself.

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

/// While requests are held, what the upstream bears is looked at so often, in nanoseconds.
const LOOK_NANOS: i64 = SECOND;

/// A request is held only where its turn comes before so much of its time is over: the rest is for turns
/// that come later than they were reckoned.
const HELD_SHARE: f64 = 0.95;

/// Decides which new orders pass, which wait, and when the others may come back.
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
    /// From when on nobody is held: the process stops.
    closes: Option<Moment>,
}

impl Admission {
    /// Nothing has come yet.
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

    /// Takes a new configuration over; what is held stays.
    pub fn adopt(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// From `at` on nobody is held: who is held then is turned away, and so is who comes later and has no
    /// place at once. Until then requests go on as before.
    pub fn close(&mut self, at: Moment) {
        self.closes = Some(at);
    }

    /// A new order is asked for. What continues an order does not ask: half an order wastes all that was
    /// spent on it.
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

    /// What becomes of a held request now; `None`: nothing before [`Admission::wakes_at`].
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

    /// When [`Admission::next`] is to be asked again; `None`: not before another request came.
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

    /// The client of a held request went away. False where the request is not held any longer.
    pub fn leave(&mut self, now: Moment, ticket: Ticket) -> bool {
        let is_held = self.line.remove(now, ticket);
        self.displaced.retain(|(other, _)| *other != ticket);
        self.forget(ticket);
        is_held
    }

    /// A request that was let go did not reach the upstream: its client went away first.
    pub fn unused(&mut self, now: Moment) {
        if let Some(rate) = self.per_second(now) {
            self.pace.give_back(rate);
        }
        self.shown.abandoned();
    }

    /// A new order that went on was left by its client before the upstream answered.
    pub fn abandoned(&mut self) {
        self.shown.abandoned();
    }

    /// The upstream answered a new order that went on so many nanoseconds ago.
    pub fn answered(&mut self, now: Moment, latency_nanos: i64, outcome: Outcome) {
        self.shown.answered(now, latency_nanos, outcome);
    }

    /// New orders a second that go on at most; `None`: no limit is configured or has shown.
    pub fn per_second(&mut self, now: Moment) -> Option<f64> {
        let shown = self.shown.per_second(now);
        self.limits.least(now.second(), shown)
    }

    /// How many requests are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.waiting.len()
    }

    /// Whether more is asked for than the upstream bears: requests are held, or it has shown a limit.
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
            // Whoever stands behind makes room.
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

    /// The class of a request: first those that come at the second they were told, then by the cost
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

    /// It has a place: the second that it was told is free again.
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
        // Who comes before its second is told the same one: to ask often books nothing.
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

/// How many requests a second takes at a rate: whole numbers whose mean is the rate.
fn quota(per_second: f64, second: i64) -> u32 {
    let up_to = |second: i64| whole((per_second * real(second)).floor());
    u32::try_from(up_to(second + 1) - up_to(second)).unwrap_or(0)
}
