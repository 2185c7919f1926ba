//! The outbox, in all orders: writers whose numbers are not in the order of their commits, some of
//! whom die, and readers that look meanwhile.

use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

use super::*;

const WRITERS: usize = 4;
const ROWS: usize = 3;
const READERS: usize = 2;

/// What a reader keeps as his place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rule {
    /// The place that `place_outbox` gave.
    ByPlace,
    /// The highest number that he saw.
    ByNumber,
}

/// A change in the outbox of the model.
#[derive(Clone, Debug)]
struct Written {
    row: usize,
    version: u64,
    is_committed: bool,
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
struct Model {
    /// By number.
    outbox: Vec<Written>,
    last: i64,
    feed_locked_by: Option<usize>,
    /// Places given and not committed.
    given: Vec<usize>,
    /// What each writer wrote in his transaction: indexes into the outbox.
    open: [Vec<usize>; WRITERS],
    locked_by: [Option<usize>; ROWS],
    versions: [u64; ROWS],
    readers: [(Looking, i64); READERS],
    told: [Vec<usize>; READERS],
    rule: Rule,
}

impl Model {
    fn new(rule: Rule) -> Self {
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
    fn write(&mut self, writer: usize, row: usize) -> bool {
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

    fn end(&mut self, writer: usize, is_committed: bool) {
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

    fn read_to_the_end(&mut self, reader: usize) {
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
    fn is_exact(&self) -> bool {
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
struct Dice(u64);

impl Dice {
    /// By `SplitMix64`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

fn interleaved(seed: u64, rule: Rule) -> Model {
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

#[test]
fn in_100_000_interleavings_each_reader_is_told_each_change_once_and_in_order() {
    let mut told = 0;
    for seed in 0..100_000 {
        let model = interleaved(seed, Rule::ByPlace);
        assert!(model.is_exact(), "interleaving {seed}: {model:?}");
        told += model.told[0].len();
    }
    // They are not empty.
    assert!(told > 500_000, "{told}");
}

/// What the model is for: a reader that keeps the highest number loses changes in it.
#[test]
fn a_reader_that_keeps_the_highest_number_loses_changes() {
    let lossy = (0..1_000).filter(|&seed| !interleaved(seed, Rule::ByNumber).is_exact());
    assert!(lossy.count() > 100);
}

/// How many interleavings the database is put through: some seconds' worth, unless more are asked for.
fn wanted() -> u64 {
    std::env::var("OFFPEAK_TEST_INTERLEAVINGS").map_or(200, |many| many.parse().unwrap())
}

/// A writer's step on the database: it sets a record of polls, and tells it.
fn written(row: usize, version: u64) -> String {
    let fingerprint = format!("decode(lpad(to_hex({row}), 32, '0'), 'hex')");
    format!(
        "INSERT INTO polls (fingerprint, record, written_at) VALUES ({fingerprint}, {version}, 0)
         ON CONFLICT (fingerprint) DO UPDATE SET record = excluded.record;
         INSERT INTO outbox (kind, body) VALUES ('polls', {fingerprint} || int8send({version}))"
    )
}

async fn execute(connection: &mut PgConnection, statements: String) {
    raw_sql(AssertSqlSafe(statements))
        .execute(connection)
        .await
        .unwrap();
}

/// The same on PostgreSQL itself, with transactions held open and connections dropped amid them. A look
/// is one step here: what the readers are told is what the model says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_tells_what_the_model_tells() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let url = database.url();
    let store = open(&url).await;
    let connect = async || beside(&url).await;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(connect().await);
    }
    for seed in 0..wanted() {
        let mut dice = Dice(seed);
        let mut model = Model::new(Rule::ByPlace);
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push((Reader::load(&*store).await.position, Vec::new()));
        }
        for step in 0..40 {
            let writer = dice.below(WRITERS);
            let connection = &mut writers[writer];
            let is_open = !model.open[writer].is_empty();
            match dice.below(10) {
                0..5 => {
                    if !model.write(writer, dice.below(ROWS)) {
                        continue;
                    }
                    let one = model.outbox.last().unwrap();
                    // The versions of all interleavings differ.
                    let version = seed * 1_000 + one.version;
                    let begin = if is_open {
                        ""
                    } else {
                        "BEGIN; SET LOCAL offpeak.outbox = 'told'; "
                    };
                    execute(connection, begin.to_owned() + &written(one.row, version)).await;
                }
                5..7 if is_open => {
                    execute(connection, "COMMIT".to_owned()).await;
                    model.end(writer, true);
                }
                7 if is_open && step % 2 == 0 => {
                    // Killed: nobody says anything.
                    let killed = std::mem::replace(connection, connect().await);
                    drop(killed);
                    model.end(writer, false);
                }
                7 if is_open => {
                    execute(connection, "ROLLBACK".to_owned()).await;
                    model.end(writer, false);
                }
                8.. => {
                    let reader = dice.below(READERS);
                    look(&*store, &mut readers[reader]).await;
                    model.read_to_the_end(reader);
                }
                _ => {}
            }
        }
        for (writer, connection) in writers.iter_mut().enumerate() {
            if !model.open[writer].is_empty() {
                execute(connection, "COMMIT".to_owned()).await;
                model.end(writer, true);
            }
        }
        for (reader, looking) in readers.iter_mut().enumerate() {
            look(&*store, looking).await;
            model.read_to_the_end(reader);
            let want = model.told[reader].iter().map(|&at| &model.outbox[at]);
            let want: Vec<(u128, u64)> = want
                .map(|one| (one.row as u128, seed * 1_000 + one.version))
                .collect();
            assert_eq!(looking.1, want, "interleaving {seed}");
        }
        assert!(model.is_exact(), "interleaving {seed}");
    }
}

async fn look(store: &dyn Store, (position, told): &mut (FeedPosition, Vec<(u128, u64)>)) {
    let mut tell = |change| match change {
        Change::Polls {
            fingerprint,
            record,
        } => told.push((fingerprint, record)),
        other => panic!("{other:?}"),
    };
    *position = store.changes(*position, &mut tell).await.unwrap();
}
