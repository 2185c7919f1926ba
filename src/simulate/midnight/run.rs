//! Simulates the night, order by order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Poisson};

use super::crowd::Kind;
use super::door::{Answer, Door, Post};
use super::outcome::Rule;
use crate::domain::admission::{Moment, Ticket, nanos, seconds};
use crate::domain::math::number::{length, real, signed, whole};
use crate::domain::time::{DAY, HOUR, MINUTE};

/// 2026-11-28T00:00:00Z, the simulated midnight.
pub(super) const MIDNIGHT: i64 = 1_795_824_000;
/// The first second, relative to midnight.
const FROM: i64 = -10 * MINUTE;
/// Clients that first arrive before this second, relative to midnight, are counted.
const ASKED_AFTER: i64 = 30 * MINUTE;
/// The run ends at 04:00, long after clients with a `Retry-After` of ten minutes have returned.
const TO: i64 = 4 * HOUR;

/// What was recorded.
#[derive(Debug)]
pub(super) struct Seen {
    /// New orders that reached the CA, by second from the first one on.
    pub(super) reached: Vec<u32>,
    /// Attempts answered with 500 or 503.
    pub(super) in_vain: u32,
    /// The number of counted clients.
    pub(super) clients: u32,
    /// Those of them whose run failed, by kind.
    pub(super) failed: Vec<u32>,
    /// Those of them that are still trying at the end.
    pub(super) waiting: u32,
    /// New orders in the following night caused by failed runs, by kind and second relative to
    /// midnight.
    pub(super) tomorrow: HashMap<i64, u32>,
    /// When the last client was served that arrived in the minute after midnight.
    pub(super) last_served: Moment,
    /// The most requests held at the same time.
    pub(super) most_held: usize,
    /// The longest hold, in nanoseconds.
    pub(super) longest_held: i64,
}

/// A client during its run.
#[derive(Clone, Copy, Debug)]
struct Client {
    kind: usize,
    first_second: i64,
    posts: u32,
}

struct Night<'k> {
    kinds: &'k [Kind],
    door: Door,
    now: Moment,
    dice: StdRng,
    clients: Vec<Client>,
    /// Which client orders when.
    agenda: BinaryHeap<Reverse<(Moment, u32)>>,
    held: HashMap<Ticket, (Moment, u32)>,
    seen: Seen,
}

/// Simulates one rule. The same seed gives the same clients for each rule.
pub(super) fn run(
    kinds: &[Kind],
    rule: Rule,
    capacity: f64,
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Seen {
    let mut arrivals = StdRng::seed_from_u64(seed);
    let mut night = Night::new(kinds, Door::new(rule, capacity), seed);
    for second in FROM..TO {
        for (kind, client) in kinds.iter().enumerate() {
            let mean = client.in_second(second.rem_euclid(DAY));
            let drawn = Poisson::new(mean).map_or(0.0, |law| law.sample(&mut arrivals));
            for _ in 0..whole(drawn) {
                let at = moment(second) + nanos(arrivals.random::<f64>());
                night.comes(at, kind, second);
            }
        }
        night.until(moment(second + 1));
        if second % MINUTE == 0 {
            progress(real(second - FROM) / real(TO - FROM));
        }
    }
    night.end()
}

fn moment(second: i64) -> Moment {
    Moment::from_second(MIDNIGHT + second)
}

impl<'k> Night<'k> {
    fn new(kinds: &'k [Kind], door: Door, seed: u64) -> Self {
        Self {
            kinds,
            door,
            now: moment(FROM),
            dice: StdRng::seed_from_u64(!seed),
            clients: Vec::new(),
            agenda: BinaryHeap::new(),
            held: HashMap::new(),
            seen: Seen {
                reached: vec![0; length(TO - FROM)],
                in_vain: 0,
                clients: 0,
                failed: vec![0; kinds.len()],
                waiting: 0,
                tomorrow: HashMap::new(),
                last_served: moment(0),
                most_held: 0,
                longest_held: 0,
            },
        }
    }

    fn comes(&mut self, at: Moment, kind: usize, second: i64) {
        let client = Client {
            kind,
            first_second: second,
            posts: 0,
        };
        let number = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        self.clients.push(client);
        self.seen.clients += u32::from(self.is_asked_after(client));
        self.agenda.push(Reverse((at, number)));
    }

    /// Processes everything before an instant.
    fn until(&mut self, end: Moment) {
        loop {
            let comes = self.agenda.peek().map(|Reverse((at, _))| *at);
            let wakes = self.door.wakes_at(self.now);
            let next = [comes, wakes].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next < end) else {
                self.now = end;
                return;
            };
            self.now = next;
            // Held requests first, because they arrived earlier.
            if wakes == Some(next) {
                while let Some((ticket, answer)) = self.door.next(next) {
                    self.decided(next, ticket, answer);
                }
            } else if let Some(Reverse((at, number))) = self.agenda.pop() {
                self.posts(at, number);
            }
        }
    }

    fn posts(&mut self, now: Moment, number: u32) {
        let client = &mut self.clients[length(i64::from(number))];
        client.posts += 1;
        let kind = &self.kinds[client.kind];
        let post = Post {
            client: number,
            succeeds: kind.succeeds,
            user_agent: kind.behaviour.user_agent,
        };
        match self.door.posts(now, post) {
            Answer::Held(ticket) => {
                self.held.insert(ticket, (now, number));
                self.seen.most_held = self.seen.most_held.max(self.held.len());
            }
            answer => self.answered(now, number, answer),
        }
    }

    fn decided(&mut self, now: Moment, ticket: Ticket, answer: Answer) {
        if let Some((since, number)) = self.held.remove(&ticket) {
            self.seen.longest_held = self.seen.longest_held.max(now - since);
            self.answered(now, number, answer);
        }
    }

    fn answered(&mut self, now: Moment, number: u32, answer: Answer) {
        let client = self.clients[length(i64::from(number))];
        let asked_after = self.is_asked_after(client);
        if matches!(answer, Answer::Order | Answer::Failed) {
            let second = length(now.second() - MIDNIGHT - FROM);
            if let Some(reached) = self.seen.reached.get_mut(second) {
                *reached += 1;
            }
        }
        let retry_after = match answer {
            Answer::Order | Answer::Held(_) => {
                if asked_after && (0..MINUTE).contains(&client.first_second) {
                    self.seen.last_served = self.seen.last_served.max(now);
                }
                return;
            }
            Answer::Failed => None,
            Answer::Busy(seconds) => Some(seconds),
        };
        self.seen.in_vain += 1;
        let kind = &self.kinds[client.kind];
        let draw = self.dice.random::<f64>();
        match kind
            .behaviour
            .again_seconds(client.posts, retry_after, draw)
        {
            Some(wait) => self.agenda.push(Reverse((now + nanos(wait), number))),
            None => self.failed(client, asked_after),
        }
    }

    fn failed(&mut self, client: Client, asked_after: bool) {
        let kind = &self.kinds[client.kind];
        if asked_after {
            self.seen.failed[client.kind] += 1;
        }
        // Its next run is at the same moment of the next period, and so is the one after that.
        if kind.succeeds && DAY % kind.next_run_seconds == 0 && kind.next_run_seconds == DAY {
            *self.seen.tomorrow.entry(client.first_second).or_default() += 1;
        }
    }

    fn is_asked_after(&self, client: Client) -> bool {
        self.kinds[client.kind].succeeds && client.first_second < ASKED_AFTER
    }

    fn end(mut self) -> Seen {
        let agenda = std::mem::take(&mut self.agenda);
        let numbers = agenda.into_iter().map(|Reverse((_, number))| number);
        let numbers: Vec<u32> = numbers
            .chain(self.held.values().map(|(_, number)| *number))
            .collect();
        let waiting = numbers
            .into_iter()
            .map(|number| self.clients[length(i64::from(number))])
            .filter(|client| self.is_asked_after(*client));
        self.seen.waiting = u32::try_from(waiting.count()).unwrap_or(u32::MAX);
        self.seen
    }
}

impl Seen {
    /// Seconds from midnight until the last client was served that arrived in the minute after it.
    pub(super) fn last_served_seconds(&self) -> i64 {
        whole(seconds(self.last_served - moment(0)).ceil())
    }

    /// The first second of `reached` is at a full minute, so minutes are whole chunks.
    pub(super) fn worst_minute(&self) -> u32 {
        let minutes = self.reached.chunks(length(MINUTE));
        minutes
            .map(|minute| minute.iter().sum())
            .max()
            .unwrap_or_default()
    }

    /// All seconds of the night, relative to midnight.
    pub(super) fn seconds(&self) -> std::ops::Range<i64> {
        FROM..FROM + signed(self.reached.len())
    }
}
