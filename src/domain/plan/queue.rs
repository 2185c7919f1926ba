//! Who is next: of those released, the one with the earliest deadline whose buckets have a token.
//!
//! Whoever waits for a token waits in a line, and of a line only the first is looked at; a line
//! that waits sleeps until its bucket has one, and so does an account. So a token costs the
//! logarithm of the lines, not all who want it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bucket::Bucket;
use super::jobs::{Job, Jobs};
use crate::time::Timestamp;

/// Deadline, then by draw, then by number.
type Key = (Timestamp, u64, usize);
type Queue<T> = BinaryHeap<Reverse<(Key, T)>>;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Sleeper {
    Account(usize),
    Job(usize),
    Line(usize),
}

pub(super) struct Queues<'a> {
    jobs: &'a [Job],
    buckets: Vec<(usize, Bucket)>,
    accounts: Vec<Account<'a>>,
    lines: Vec<Line>,
    /// Accounts by who is first in them. An entry that is no longer true is passed over.
    awake: Queue<usize>,
    asleep: BinaryHeap<Reverse<(Timestamp, Sleeper)>>,
    /// Jobs by when they are released, the last first.
    unreleased: Vec<usize>,
    /// Which limit held each back last.
    held_by: Vec<Option<usize>>,
    missed: Vec<usize>,
}

struct Account<'a> {
    buckets: &'a [usize],
    wakes: Timestamp,
    held_by: Option<usize>,
    lines: Queue<usize>,
}

struct Line {
    account: usize,
    wakes: Timestamp,
    held_by: Option<usize>,
    waiting: Queue<()>,
}

impl<'a> Queues<'a> {
    pub(super) fn new(jobs: &'a Jobs) -> Self {
        let mut unreleased: Vec<usize> = (0..jobs.members.len()).collect();
        unreleased.sort_unstable_by_key(|job| Reverse(jobs.members[*job].window.from));
        let account = |buckets: &'a Vec<usize>| Account {
            buckets: buckets.as_slice(),
            wakes: Timestamp::MIN,
            held_by: None,
            lines: BinaryHeap::new(),
        };
        let line = |account: &usize| Line {
            account: *account,
            wakes: Timestamp::MIN,
            held_by: None,
            waiting: BinaryHeap::new(),
        };
        Self {
            jobs: &jobs.members,
            buckets: jobs.buckets.clone(),
            accounts: jobs.accounts.iter().map(account).collect(),
            lines: jobs.lines.iter().map(line).collect(),
            awake: BinaryHeap::new(),
            asleep: BinaryHeap::new(),
            held_by: vec![None; jobs.members.len()],
            missed: Vec::new(),
            unreleased,
        }
    }

    /// Releases and wakes who is due by `now`.
    pub(super) fn advance(&mut self, now: Timestamp) {
        while let Some(job) = self
            .unreleased
            .pop_if(|job| self.jobs[*job].window.from <= now)
        {
            self.enter(job, now);
        }
        while let Some(Reverse((at, sleeper))) = self.asleep.peek().copied()
            && at <= now
        {
            self.asleep.pop();
            match sleeper {
                Sleeper::Account(account) => self.show(account, now),
                Sleeper::Job(job) => self.enter(job, now),
                Sleeper::Line(line) => self.announce(line, now),
            }
        }
    }

    /// When somebody is released or wakes next.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let released = self
            .unreleased
            .last()
            .map(|job| self.jobs[*job].window.from);
        let wakes = self.asleep.peek().map(|Reverse((at, _))| *at);
        released.into_iter().chain(wakes).min()
    }

    /// Takes whoever is next at `now`, and a token from each bucket. `None`: nobody can be.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<usize> {
        while let Some(Reverse((key, account))) = self.awake.pop() {
            let Some((first, line)) = self.first_of(account, now) else {
                continue;
            };
            // Whenever another comes first an entry of its own is made.
            if key != first {
                continue;
            }
            let job = first.2;
            if self.jobs[job].window.to <= now {
                self.leave(line, now);
                self.missed.push(job);
                continue;
            }
            let (of_account, jobs) = (self.accounts[account].buckets, self.jobs);
            if let Some((limit, at)) = self.held(of_account, now) {
                self.accounts[account].held_by = Some(limit);
                self.accounts[account].wakes = at;
                self.asleep.push(Reverse((at, Sleeper::Account(account))));
                continue;
            }
            if let Some((limit, at)) = self.held(&jobs[job].buckets, now) {
                self.held_by[job] = Some(limit);
                self.lines[line].held_by = Some(limit);
                self.put_aside(job, line, at, now);
                continue;
            }
            for bucket in jobs[job].buckets.iter().chain(of_account) {
                self.buckets[*bucket].1.take(now);
            }
            self.leave(line, now);
            return Some(job);
        }
        None
    }

    /// Who was not taken, with the limit that held each back last, or those before it.
    pub(super) fn left(mut self) -> Vec<(usize, Option<usize>)> {
        let held = |line: &Line| line.held_by.or(self.accounts[line.account].held_by);
        let held_lines: Vec<Option<usize>> = self.lines.iter().map(held).collect();
        let waiting = self.lines.into_iter().flat_map(|line| line.waiting);
        self.missed
            .extend(waiting.map(|Reverse(((_, _, job), ()))| job));
        self.missed.extend(self.unreleased);
        let aside = self
            .asleep
            .into_iter()
            .filter_map(|Reverse((_, sleeper))| match sleeper {
                Sleeper::Job(job) => Some(job),
                Sleeper::Account(_) | Sleeper::Line(_) => None,
            });
        self.missed.extend(aside);
        self.missed.sort_unstable();
        let (held_by, jobs) = (self.held_by, self.jobs);
        let limit = |job: usize| held_by[job].or(held_lines[jobs[job].line]);
        self.missed
            .into_iter()
            .map(|job| (job, limit(job)))
            .collect()
    }

    fn key(&self, job: usize) -> Key {
        (self.jobs[job].window.to, self.jobs[job].order, job)
    }

    fn enter(&mut self, job: usize, now: Timestamp) {
        let line = self.jobs[job].line;
        let key = self.key(job);
        self.lines[line].waiting.push(Reverse((key, ())));
        self.announce(line, now);
    }

    /// The first of a line leaves it.
    fn leave(&mut self, line: usize, now: Timestamp) {
        self.lines[line].waiting.pop();
        self.announce(line, now);
    }

    /// A job whose bucket is empty waits: with its line where that is the line's own bucket, else
    /// alone.
    fn put_aside(&mut self, job: usize, line: usize, at: Timestamp, now: Timestamp) {
        let own = self.jobs[job].buckets.first().copied();
        let is_lines = own.is_some_and(|own| self.buckets[own].1.next(now) > now);
        if is_lines {
            self.lines[line].wakes = at;
            self.asleep.push(Reverse((at, Sleeper::Line(line))));
            let account = self.lines[line].account;
            self.show(account, now);
        } else {
            self.asleep.push(Reverse((at, Sleeper::Job(job))));
            self.leave(line, now);
        }
    }

    fn announce(&mut self, line: usize, now: Timestamp) {
        let Line {
            account,
            wakes,
            waiting,
            ..
        } = &self.lines[line];
        let account = *account;
        if *wakes <= now
            && let Some(Reverse((key, ()))) = waiting.peek()
        {
            self.accounts[account].lines.push(Reverse((*key, line)));
        }
        self.show(account, now);
    }

    fn show(&mut self, account: usize, now: Timestamp) {
        if let Some((first, _)) = self.first_of(account, now) {
            self.awake.push(Reverse((first, account)));
        }
    }

    /// Who is first in an account that is awake, and the line.
    fn first_of(&mut self, account: usize, now: Timestamp) -> Option<(Key, usize)> {
        let Account { wakes, lines, .. } = &mut self.accounts[account];
        if *wakes > now {
            return None;
        }
        while let Some(Reverse((key, line))) = lines.peek().copied() {
            let Line { wakes, waiting, .. } = &self.lines[line];
            let is_first = waiting
                .peek()
                .is_some_and(|Reverse((first, ()))| *first == key);
            if *wakes <= now && is_first {
                return Some((key, line));
            }
            lines.pop();
        }
        None
    }

    /// The limit that has no token now, and when all have one.
    fn held(&self, buckets: &[usize], now: Timestamp) -> Option<(usize, Timestamp)> {
        let held = buckets.iter().map(|bucket| {
            let (limit, bucket) = &self.buckets[*bucket];
            (*limit, bucket.next(now))
        });
        held.max_by_key(|(_, at)| *at).filter(|(_, at)| *at > now)
    }
}
