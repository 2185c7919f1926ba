//! A model of the outbox: PostgreSQL as far as the outbox sees it.

use std::collections::BTreeSet;

pub(super) const WRITERS: usize = 4;
pub(super) const ROWS: usize = 3;
pub(super) const READERS: usize = 2;

/// What a reader keeps as his place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    /// The place that `place_outbox` gave.
    ByPlace,
    /// The highest number that he saw.
    ByNumber,
}

/// A change in the outbox of the model.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) row: usize,
    pub(super) version: u64,
    pub(super) is_committed: bool,
    place: Option<i64>,
}

/// Where a reader is in his look: each step is a statement, and so has a snapshot of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Looking {
    Rests,
    Locked,
    Placed,
    Reads(i64),
}

/// PostgreSQL as far as the outbox sees it: changes are seen when they are committed, rows are
/// locked until then, and so is the row of `feed`.
#[derive(Debug)]
pub(super) struct Model {
    /// By number.
    pub(super) outbox: Vec<Written>,
    last: i64,
    feed_locked_by: Option<usize>,
    /// Places given and not committed.
    given: Vec<usize>,
    /// What each writer wrote in his transaction: indexes into the outbox.
    pub(super) open: [Vec<usize>; WRITERS],
    locked_by: [Option<usize>; ROWS],
    versions: [u64; ROWS],
    readers: [(Looking, i64); READERS],
    pub(super) told: [Vec<usize>; READERS],
    rule: Rule,
}

impl Model {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            outbox: Vec::new(),
            last: 0,
            feed_locked_by: None,
            given: Vec::new(),
            open: Default::default(),
            locked_by: [None; ROWS],
            versions: [0; ROWS],
            readers: [(Looking::Rests, 0); READERS],
            told: Default::default(),
            rule,
        }
    }

    /// Whether the writer could: a row that another has is waited for.
    pub(super) fn write(&mut self, writer: usize, row: usize) -> bool {
        if self.locked_by[row].is_some_and(|by| by != writer) {
            return false;
        }
        self.locked_by[row] = Some(writer);
        let before = self.open[writer].iter().rev();
        let mut mine = before.map(|&at| &self.outbox[at]);
        let version = mine.find(|one| one.row == row);
        let version = version.map_or(self.versions[row], |one| one.version) + 1;
        self.open[writer].push(self.outbox.len());
        self.outbox.push(Written {
            row,
            version,
            is_committed: false,
            place: None,
        });
        true
    }

    pub(super) fn end(&mut self, writer: usize, is_committed: bool) {
        for at in std::mem::take(&mut self.open[writer]) {
            let one = &mut self.outbox[at];
            one.is_committed = is_committed;
            if is_committed {
                self.versions[one.row] = one.version;
            }
        }
        for locked_by in &mut self.locked_by {
            if *locked_by == Some(writer) {
                *locked_by = None;
            }
        }
    }

    /// One statement of a reader's look.
    fn look(&mut self, reader: usize) {
        let (looking, place) = self.readers[reader];
        let committed = |(at, one): (usize, &Written)| one.is_committed.then_some(at);
        if self.rule == Rule::ByNumber {
            let seen: Vec<usize> = self
                .outbox
                .iter()
                .enumerate()
                .filter_map(committed)
                .collect();
            let from = usize::try_from(place).unwrap();
            let new: Vec<usize> = seen.into_iter().filter(|&at| at >= from).collect();
            if let Some(last) = new.last() {
                self.readers[reader].1 = i64::try_from(last + 1).unwrap();
            }
            self.told[reader].extend(new);
            return;
        }
        self.readers[reader].0 = match looking {
            Looking::Rests if self.feed_locked_by.is_some() => Looking::Rests,
            Looking::Rests => {
                self.feed_locked_by = Some(reader);
                Looking::Locked
            }
            Looking::Locked => {
                let waiting = self.outbox.iter().enumerate().filter_map(committed);
                let waiting = waiting.filter(|&at| self.outbox[at].place.is_none());
                self.given = waiting.collect();
                Looking::Placed
            }
            Looking::Placed => {
                for at in std::mem::take(&mut self.given) {
                    self.last += 1;
                    self.outbox[at].place = Some(self.last);
                }
                self.feed_locked_by = None;
                Looking::Reads(self.last)
            }
            Looking::Reads(last) => {
                // A page of two.
                let end = last.min(place + 2);
                let mut page: Vec<(i64, usize)> = self
                    .outbox
                    .iter()
                    .enumerate()
                    .filter_map(|(at, one)| Some((one.place?, at)))
                    .filter(|&(given, _)| given > place && given <= end)
                    .collect();
                page.sort_unstable();
                assert!((place + 1..=end).eq(page.iter().map(|one| one.0)), "a gap");
                self.told[reader].extend(page.into_iter().map(|one| one.1));
                self.readers[reader].1 = end;
                if end == last {
                    Looking::Rests
                } else {
                    Looking::Reads(last)
                }
            }
        };
    }

    /// A reader dies amid his look, and comes again with his place.
    fn kill_reader(&mut self, reader: usize) {
        if self.feed_locked_by == Some(reader) {
            self.feed_locked_by = None;
            self.given.clear();
        }
        self.readers[reader].0 = Looking::Rests;
    }

    pub(super) fn read_to_the_end(&mut self, reader: usize) {
        for _ in 0..1_000 {
            self.look(reader);
            let all = i64::try_from(self.outbox.len()).unwrap();
            let is_done = self
                .outbox
                .iter()
                .all(|one| !one.is_committed || one.place.is_some())
                && self.readers[reader] == (Looking::Rests, self.last);
            if is_done || self.rule == Rule::ByNumber && self.readers[reader].1 == all {
                return;
            }
        }
    }

    /// Whether each reader was told each committed change once, and those of a row in order.
    pub(super) fn is_exact(&self) -> bool {
        let committed = self.outbox.iter().filter(|one| one.is_committed).count();
        self.told.iter().all(|told| {
            let distinct: BTreeSet<&usize> = told.iter().collect();
            let in_order = (0..ROWS).all(|row| {
                let versions = told.iter().map(|&at| &self.outbox[at]);
                let versions: Vec<u64> = versions
                    .filter(|one| one.row == row)
                    .map(|one| one.version)
                    .collect();
                versions.is_sorted()
            });
            distinct.len() == told.len()
                && told.iter().all(|&at| self.outbox[at].is_committed)
                && told.len() == committed
                && in_order
        })
    }
}

/// A generator of its own, so that a seed tells the interleaving.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// By `SplitMix64`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

pub(super) fn interleaved(seed: u64, rule: Rule) -> Model {
    let mut dice = Dice(seed);
    let mut model = Model::new(rule);
    for _ in 0..60 {
        let (writer, reader) = (dice.below(WRITERS), dice.below(READERS));
        match dice.below(12) {
            0..5 => {
                model.write(writer, dice.below(ROWS));
            }
            5..7 => model.end(writer, true),
            // It rolls back, or dies between a statement and the commit: that is the same.
            7 => model.end(writer, false),
            8 => model.kill_reader(reader),
            _ => model.look(reader),
        }
    }
    for writer in 0..WRITERS {
        model.end(writer, writer % 2 == 0);
    }
    for reader in 0..READERS {
        model.kill_reader(reader);
    }
    for reader in 0..READERS {
        model.read_to_the_end(reader);
    }
    model
}
