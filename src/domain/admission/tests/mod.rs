//! Admission as a whole, under load, on a virtual clock.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::time::{Span, Timestamp};

mod load;
mod order;
mod properties;

const START: i64 = 1_795_262_400;

fn limits(per_second: f64) -> Limits {
    Limits {
        new_orders_per_second: Some(per_second),
        ceilings: Vec::new(),
        held: 20_000,
        held_octets: 64 << 20,
        per_account: None,
    }
}

/// A first order with an account of its own.
fn first(n: u64) -> Request {
    Request {
        party: Party::Account(n),
        order: n,
        renewal: Renewal::No,
        failures: 0,
        hold_seconds: 20,
        octets: 1_000,
    }
}

fn at(seconds: f64) -> Moment {
    Moment::from_second(START) + nanos(seconds)
}

/// What happened to requests, and when.
#[derive(Debug, Default)]
struct Seen {
    forwarded: Vec<(Moment, Request)>,
    turned_away: Vec<(Moment, Request, i64)>,
    longest_held: i64,
    most_held: usize,
}

/// Requests by arrival time, and the admission they go to.
struct Run {
    admission: Admission,
    agenda: BTreeMap<(Moment, u64), Request>,
    held: BTreeMap<Ticket, (Moment, Request)>,
    seen: Seen,
    /// Whether rejected clients return when they were told to.
    honours: bool,
}

impl Run {
    fn new(limits: Limits) -> Self {
        Self {
            admission: Admission::new(limits),
            agenda: BTreeMap::new(),
            held: BTreeMap::new(),
            seen: Seen::default(),
            honours: true,
        }
    }

    fn comes(&mut self, at: Moment, request: Request) {
        let number = u64::try_from(self.agenda.len()).unwrap();
        self.agenda
            .insert((at, number << 32 | request.order & 0xffff_ffff), request);
    }

    /// Runs until nothing is left to arrive and nothing is held.
    fn until_the_end(mut self) -> Seen {
        let mut now = at(0.0);
        loop {
            while let Some(event) = self.admission.next(now) {
                self.happened(now, event);
            }
            let wakes = self.admission.wakes_at(now);
            let comes = self.agenda.first_key_value().map(|((at, _), _)| *at);
            now = match (wakes, comes) {
                (Some(wakes), Some(comes)) => wakes.min(comes),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => break,
            };
            if comes == Some(now) {
                let (_, request) = self.agenda.pop_first().unwrap();
                self.ask(now, request);
            }
        }
        assert!(self.held.is_empty());
        assert_eq!((self.admission.held(), self.admission.octets), (0, 0));
        self.seen
    }

    fn ask(&mut self, now: Moment, request: Request) {
        match self.admission.ask(now, &request) {
            Decision::Forward => self.goes(now, request),
            Decision::Hold(ticket) => assert!(self.held.insert(ticket, (now, request)).is_none()),
            Decision::OverLimit {
                retry_after_seconds,
            }
            | Decision::TurnAway {
                retry_after_seconds,
            } => {
                self.away(now, request, retry_after_seconds);
            }
        }
        self.seen.most_held = self.seen.most_held.max(self.admission.held());
    }

    fn happened(&mut self, now: Moment, event: Event) {
        let ticket = match event {
            Event::Forward(ticket) | Event::TurnAway { ticket, .. } => ticket,
        };
        let (came, request) = self
            .held
            .remove(&ticket)
            .expect("it was held, and told once");
        self.seen.longest_held = self.seen.longest_held.max(now - came);
        assert!(now - came <= request.hold_seconds * SECOND);
        match event {
            Event::Forward(_) => self.goes(now, request),
            Event::TurnAway {
                retry_after_seconds,
                ..
            } => {
                self.away(now, request, retry_after_seconds);
            }
        }
    }

    fn goes(&mut self, now: Moment, request: Request) {
        self.seen.forwarded.push((now, request));
        self.admission.answered(now, 0, Outcome::Answered);
    }

    fn away(&mut self, now: Moment, request: Request, retry_after_seconds: i64) {
        assert!((1..=86_400).contains(&retry_after_seconds));
        self.seen
            .turned_away
            .push((now, request, retry_after_seconds));
        if self.honours {
            self.comes(now + retry_after_seconds * SECOND, request);
        }
    }
}

impl Seen {
    /// The highest number forwarded in any span of a second.
    fn most_in_a_second(&self) -> f64 {
        let went = &self.forwarded;
        let counts = went
            .iter()
            .enumerate()
            .map(|(n, (first, _))| went[n..].partition_point(|(at, _)| *at - *first < SECOND));
        real_len(counts.max().unwrap_or_default())
    }

    /// The highest number of rejected requests assigned to one second.
    fn most_returns(&self) -> f64 {
        let mut seconds: BTreeMap<i64, usize> = BTreeMap::new();
        for (now, _, after) in &self.turned_away {
            *seconds.entry(now.second() + after).or_default() += 1;
        }
        real_len(seconds.into_values().max().unwrap_or_default())
    }
}
