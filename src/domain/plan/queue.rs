//! Chooses the next certificate: among those released, the one with the earliest deadline whose
//! buckets have a token.
//!
//! Certificates that wait for a token stand in lines, and only the first of a line is considered. A
//! waiting line sleeps until its bucket has a token, and so does an account. A certificate that is
//! held back by a bucket other than its line's waits for that bucket, which releases one
//! certificate for each token. Thus a token costs the logarithm of the number of lines, and does
//! not depend on how many want it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::bucket::Bucket;
use super::jobs::{Job, Jobs};
use crate::time::Timestamp;

/// Deadline, then a random order, then index.
type Key = (Timestamp, u64, usize);
type Queue<T> = BinaryHeap<Reverse<(Key, T)>>;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Sleeper {
    Account(usize),
    Bucket(usize),
    Line(usize),
}

pub(super) struct Queues<'a> {
    jobs: &'a [Job],
    buckets: Vec<(usize, Bucket)>,
    accounts: Vec<Account<'a>>,
    lines: Vec<Line>,
    /// Certificates waiting for each bucket that is not their line's own. While there are any, the
    /// bucket sleeps.
    parked: Vec<Queue<()>>,
    /// Accounts by their first certificate. Outdated entries are skipped.
    awake: Queue<usize>,
    asleep: BinaryHeap<Reverse<(Timestamp, Sleeper)>>,
    /// Jobs by release time, last first.
    unreleased: Vec<usize>,
    /// The limit that last held each certificate back.
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
            parked: jobs.buckets.iter().map(|_| Queue::new()).collect(),
            awake: BinaryHeap::new(),
            asleep: BinaryHeap::new(),
            held_by: vec![None; jobs.members.len()],
            missed: Vec::new(),
            unreleased,
        }
    }

    /// Releases and wakes everything due by `now`.
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
                Sleeper::Bucket(bucket) => self.release(bucket, now),
                Sleeper::Line(line) => self.announce(line, now),
            }
        }
    }

    /// The next time at which something is released or wakes.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        let released = self
            .unreleased
            .last()
            .map(|job| self.jobs[*job].window.from);
        let wakes = self.asleep.peek().map(|Reverse((at, _))| *at);
        released.into_iter().chain(wakes).min()
    }

    /// Takes the next certificate at `now`, and a token from each of its buckets. `None` if there
    /// is none.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<usize> {
        while let Some(Reverse((key, account))) = self.awake.pop() {
            let Some((first, line)) = self.first_of(account, now) else {
                continue;
            };
            // When another certificate becomes the first, an entry is made for it.
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
            if let Some((bucket, at)) = self.held(of_account, now) {
                self.accounts[account].held_by = Some(self.buckets[bucket].0);
                self.accounts[account].wakes = at;
                self.asleep.push(Reverse((at, Sleeper::Account(account))));
                continue;
            }
            if let Some((bucket, at)) = self.held(&jobs[job].buckets, now) {
                let limit = self.buckets[bucket].0;
                self.held_by[job] = Some(limit);
                self.lines[line].held_by = Some(limit);
                self.put_aside((job, line), (bucket, at), now);
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

    /// The certificates that were not taken, with the limit that last held back each, or those
    /// before it.
    pub(super) fn left(mut self) -> Vec<(usize, Option<usize>)> {
        let held = |line: &Line| line.held_by.or(self.accounts[line.account].held_by);
        let held_lines: Vec<Option<usize>> = self.lines.iter().map(held).collect();
        let waiting = self.lines.into_iter().flat_map(|line| line.waiting);
        let parked = self.parked.into_iter().flatten();
        self.missed
            .extend(waiting.chain(parked).map(|Reverse(((_, _, job), ()))| job));
        self.missed.extend(self.unreleased);
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

    /// Removes the first of a line.
    fn leave(&mut self, line: usize, now: Timestamp) {
        self.lines[line].waiting.pop();
        self.announce(line, now);
    }

    /// Sets aside a job whose bucket is empty until then: with its line if that is the line's own
    /// bucket, otherwise with all others that wait for the bucket.
    fn put_aside(
        &mut self,
        (job, line): (usize, usize),
        (bucket, at): (usize, Timestamp),
        now: Timestamp,
    ) {
        let own = self.jobs[job].buckets.first();
        let own = own.map(|own| self.buckets[*own].1.next(now));
        if let Some(own) = own.filter(|own| *own > now) {
            self.lines[line].wakes = own;
            self.asleep.push(Reverse((own, Sleeper::Line(line))));
            let account = self.lines[line].account;
            self.show(account, now);
        } else {
            if self.parked[bucket].is_empty() {
                self.asleep.push(Reverse((at, Sleeper::Bucket(bucket))));
            }
            let key = self.key(job);
            self.parked[bucket].push(Reverse((key, ())));
            self.leave(line, now);
        }
    }

    /// Returns the first certificate waiting for a bucket to its line, one for each token. If
    /// another limit holds that one back, the next may try a second later.
    fn release(&mut self, bucket: usize, now: Timestamp) {
        let at = self.buckets[bucket].1.next(now);
        if at > now {
            self.asleep.push(Reverse((at, Sleeper::Bucket(bucket))));
            return;
        }
        if let Some(Reverse(((_, _, job), ()))) = self.parked[bucket].pop() {
            self.enter(job, now);
        }
        if !self.parked[bucket].is_empty() {
            self.asleep
                .push(Reverse((now + 1, Sleeper::Bucket(bucket))));
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

    /// The first certificate of an account that is awake, and its line.
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

    /// Among buckets without a token now, the one that gets its token last, and when all have one.
    fn held(&self, buckets: &[usize], now: Timestamp) -> Option<(usize, Timestamp)> {
        let held = buckets
            .iter()
            .map(|bucket| (*bucket, self.buckets[*bucket].1.next(now)));
        held.max_by_key(|(_, at)| *at).filter(|(_, at)| *at > now)
    }
}
