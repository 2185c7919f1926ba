//! The outbox, in all orders: writers whose numbers are not in the order of their commits, some of
//! whom die, and readers that look meanwhile; in a model, and in PostgreSQL beside the model.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, raw_sql};

use super::outbox_model::{Dice, Model, READERS, ROWS, Rule, WRITERS, interleaved};
use super::*;

/// Databases that are put through interleavings side by side.
const LANES: u64 = 4;

#[test]
fn in_100_000_interleavings_each_reader_gets_each_change_once_and_in_order() {
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

/// How many interleavings the databases are put through: some twenty seconds' worth, unless others are asked
/// for.
fn wanted() -> u64 {
    std::env::var("OFFPEAK_TEST_INTERLEAVINGS").map_or(1_000, |many| many.parse().unwrap())
}

/// The same on PostgreSQL itself, by the store's own looks and writes, beside transactions that are held open and
/// connections that are dropped amid them. Where the number is even a look is one step, and the readers are told what the model says in the
/// order in which it says so. Where it is odd both look beside a writer's step, statement against statement,
/// and some looks are broken off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_does_what_the_model_does() {
    let mut lanes = Vec::new();
    for lane in 0..LANES {
        let Some(database) = crate::support::fresh_postgres().await else {
            return;
        };
        lanes.push(tokio::spawn(async move {
            let mut lane_of = Lane::on(&database.url()).await;
            for seed in (lane..wanted()).step_by(usize::try_from(LANES).unwrap()) {
                lane_of.interleave(seed).await;
            }
            lane_of.looks
        }));
    }
    let mut looks = (0, 0);
    for lane in lanes {
        let (whole, broken_off) = lane.await.unwrap();
        looks = (looks.0 + whole, looks.1 + broken_off);
    }
    println!("{} looks, and {} others broken off", looks.0, looks.1);
    assert!(looks.0 > wanted() * 4, "{looks:?}");
}

/// A database, its writers, and its readers.
struct Lane {
    url: String,
    store: Arc<dyn Store>,
    writers: Vec<PgConnection>,
    readers: [Looking; READERS],
    /// How many came to their end, and how many did not.
    looks: (u64, u64),
}

/// A reader: his place, and what he was told in this interleaving.
#[derive(Default)]
struct Looking {
    place: FeedPosition,
    told: Vec<(u128, u64)>,
}

impl Lane {
    async fn on(url: &str) -> Self {
        let store = open(url).await;
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            writers.push(open_connection(url).await);
        }
        let mut readers: [Looking; READERS] = Default::default();
        for reader in &mut readers {
            reader.place = Reader::load(&*store).await.position;
        }
        Self {
            url: url.to_owned(),
            store,
            writers,
            readers,
            looks: (0, 0),
        }
    }

    async fn interleave(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        let mut model = Model::new(Rule::ByPlace);
        let in_steps = seed.is_multiple_of(2);
        for _ in 0..40 {
            let writer = dice.below(WRITERS);
            let does = step(&mut dice, &mut model, writer, seed);
            let store = &*self.store;
            let writing = take(does, &mut self.writers[writer], &self.url, store);
            if dice.below(10) >= 3 {
                writing.await;
                continue;
            }
            let looks = if in_steps {
                writing.await;
                let reader = dice.below(READERS);
                model.read_to_the_end(reader);
                [look(store, &mut self.readers[reader], None).await, true]
            } else {
                let patience = Duration::from_micros(dice.below(12_000) as u64);
                let [first, second] = &mut self.readers;
                let looking = look(store, first, None);
                let broken_off = look(store, second, Some(patience));
                let ((), first, second) = tokio::join!(writing, looking, broken_off);
                [first, second]
            };
            self.looks.0 += u64::from(looks[0]);
            self.looks.1 += u64::from(!looks[1]);
        }
        for (writer, connection) in self.writers.iter_mut().enumerate() {
            if !model.open[writer].is_empty() {
                execute(connection, "COMMIT").await;
                model.end(writer, true);
            }
        }
        for (number, reader) in self.readers.iter_mut().enumerate() {
            assert!(look(&*self.store, reader, None).await);
            model.read_to_the_end(number);
            let want = model.told[number].iter().map(|&at| &model.outbox[at]);
            let mut want: Vec<(u128, u64)> = want
                .map(|one| (one.row as u128, version(seed, one.version)))
                .collect();
            let mut told = std::mem::take(&mut reader.told);
            if !in_steps {
                // Each once, and those of a row in order: among rows the order is the commits'.
                want.sort_by_key(|one| one.0);
                told.sort_by_key(|one| one.0);
            }
            assert_eq!(told, want, "interleaving {seed}");
        }
        assert!(model.is_exact(), "interleaving {seed}");
    }
}

/// The versions of all interleavings differ.
fn version(seed: u64, version: u64) -> u64 {
    seed * 1_000 + version
}

/// What a writer does.
enum Does {
    Dies,
    Nothing,
    /// Has the store write, which commits at once.
    Notes(u128, u64),
    Runs(String),
}

/// A writer's next step, taken in the model: he writes, commits, takes it back, or is killed.
fn step(dice: &mut Dice, model: &mut Model, writer: usize, seed: u64) -> Does {
    let is_open = !model.open[writer].is_empty();
    match dice.below(8) {
        0..5 => {
            if !model.write(writer, dice.below(ROWS)) {
                return Does::Nothing;
            }
            let one = model.outbox.last().unwrap();
            let (row, version) = (one.row, version(seed, one.version));
            if is_open {
                return Does::Runs(written(row, version));
            }
            if dice.below(3) == 0 {
                model.end(writer, true);
                return Does::Notes(row as u128, version);
            }
            let begin = "BEGIN; SET LOCAL offpeak.outbox = 'told'; ";
            Does::Runs(begin.to_owned() + &written(row, version))
        }
        5..7 if is_open => {
            model.end(writer, true);
            Does::Runs("COMMIT".to_owned())
        }
        7 if is_open => {
            model.end(writer, false);
            if dice.below(2) == 0 {
                Does::Dies
            } else {
                Does::Runs("ROLLBACK".to_owned())
            }
        }
        _ => Does::Nothing,
    }
}

/// A writer's statements: he sets a record of polls, and tells it.
fn written(row: usize, version: u64) -> String {
    let fingerprint = format!("decode(lpad(to_hex({row}), 32, '0'), 'hex')");
    format!(
        "INSERT INTO polls (fingerprint, record, written_at) VALUES ({fingerprint}, {version}, 0)
         ON CONFLICT (fingerprint) DO UPDATE SET record = excluded.record;
         INSERT INTO outbox (kind, body) VALUES ('polls', {fingerprint} || int8send({version}))"
    )
}

async fn take(does: Does, connection: &mut PgConnection, url: &str, store: &dyn Store) {
    match does {
        // Nobody says anything.
        Does::Dies => drop(std::mem::replace(connection, open_connection(url).await)),
        Does::Nothing => {}
        Does::Notes(row, version) => {
            let noting = [(row, version)];
            let now = Timestamp::from_unix(START);
            store.note_polls(&noting, now).await.unwrap();
        }
        Does::Runs(statements) => execute(connection, &statements).await,
    }
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    raw_sql(AssertSqlSafe(statements.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

/// A reader's look; whether it came to its end. One that is broken off leaves him his place.
async fn look(store: &dyn Store, reader: &mut Looking, patience: Option<Duration>) -> bool {
    let mut told = Vec::new();
    let mut on_change = |change| match change {
        Change::Polls {
            fingerprint,
            record,
        } => told.push((fingerprint, record)),
        other => panic!("{other:?}"),
    };
    let looking = store.changes(reader.place, &mut on_change);
    let place = match patience {
        None => looking.await,
        Some(patience) => match tokio::time::timeout(patience, looking).await {
            Ok(place) => place,
            Err(_) => return false,
        },
    };
    reader.place = place.unwrap();
    reader.told.extend(told);
    true
}
