//! Random histories: both stores say what a map would say.

use super::*;

use offpeak::domain::certificate::Successor;
use offpeak::store::Succession;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[derive(Clone, Debug)]
enum Step {
    Move(Vec<(u32, i64, i64)>),
    Register(Vec<(u32, i64)>),
    Remove(Vec<u32>),
    Succeed(u32, u32),
    Unsucceed(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let serial = 0..12_u32;
    prop_oneof![
        vec((serial.clone(), 0..3_i64, 0..3_i64), 0..8).prop_map(Step::Move),
        vec((serial.clone(), 0..3_i64), 0..8).prop_map(Step::Register),
        vec(serial.clone(), 0..4).prop_map(Step::Remove),
        (serial.clone(), serial.clone()).prop_map(|(of, by)| Step::Succeed(of, by)),
        serial.prop_map(Step::Unsucceed),
    ]
}

/// Takes one step in the store and in the map; both must answer the same.
async fn take(step: &Step, store: &dyn Store, model: &mut BTreeMap<CertId, Certificate>) {
    match step {
        Step::Move(given) => {
            let moves: Vec<Move> = given
                .iter()
                .map(|&(serial, from, to)| {
                    let mut one = moved_by(serial, to);
                    one.from.from = one.from.from + from;
                    // Registrations shift the start alone.
                    one.to.to = one.from.to;
                    one
                })
                .collect();
            let mut seen = BTreeSet::new();
            let mut want = 0;
            for one in moves.iter().filter(|one| seen.insert(one.id.clone())) {
                if let Some(row) = model.get_mut(&one.id)
                    && row.window == one.from
                {
                    *row = after(one, row.clone());
                    want += 1;
                }
            }
            assert_eq!(store.move_windows(&[], &moves).await.unwrap(), want);
        }
        Step::Register(given) => {
            let given: Vec<Certificate> = given
                .iter()
                .map(|&(serial, shift)| {
                    let mut one = certificate(serial);
                    one.window.from = one.window.from + shift;
                    one
                })
                .collect();
            let mut want = Vec::new();
            for one in &given {
                want.push(match model.get(&one.id) {
                    Some(row) => Registered::Existing(Box::new(row.clone())),
                    None => Registered::Inserted,
                });
                model.entry(one.id.clone()).or_insert_with(|| one.clone());
            }
            assert_eq!(register(store, &given).await, want);
        }
        Step::Remove(serials) => {
            let ids: Vec<CertId> = serials.iter().map(|&serial| id(serial)).collect();
            let want = ids.iter().filter(|id| model.remove(id).is_some()).count();
            assert_eq!(store.remove(&ids).await.unwrap(), want as u64);
        }
        Step::Succeed(of, by) => {
            let successor = Successor::By(id(*by));
            let want = match model.get_mut(&id(*of)) {
                None => Succession::Unknown,
                Some(row) => match &row.successor {
                    Some(present) if *present == successor => Succession::Same,
                    Some(present) => Succession::Other(present.clone()),
                    None => {
                        row.successor = Some(successor.clone());
                        Succession::Set
                    }
                },
            };
            assert_eq!(store.succeed(&id(*of), &successor).await.unwrap(), want);
        }
        Step::Unsucceed(of) => {
            let want = model
                .get_mut(&id(*of))
                .map(|row| row.successor.take().is_some());
            assert_eq!(store.unsucceed(&id(*of)).await.unwrap(), want);
        }
    }
}

fn histories_agree(url: &str, runtime: &tokio::runtime::Runtime) {
    let (store, other) = runtime.block_on(async { (open(url).await, open(url).await) });
    let config = Config {
        cases: 32,
        failure_persistence: None,
        ..Config::default()
    };
    let history = vec((step(), any::<bool>()), 1..25);
    TestRunner::new(config)
        .run(&history, |history| {
            runtime.block_on(async {
                let all: Vec<CertId> = (0..12).map(id).collect();
                store.remove(&all).await.unwrap();
                let mut model = BTreeMap::new();
                let mut reader = Reader::load(&*other).await;
                for (step, look) in &history {
                    take(step, &*store, &mut model).await;
                    if *look {
                        reader.follow(&*other).await;
                        assert_eq!(reader.certificates, model);
                    }
                }
                reader.follow(&*other).await;
                assert_eq!(reader.certificates, model);
                assert_eq!(Reader::load(&*other).await.certificates, model);
            });
            Ok(())
        })
        .unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn sqlite_agrees_with_a_map() {
    let database = crate::support::fresh_sqlite();
    histories_agree(&database.url(), &runtime());
}

#[test]
fn postgres_agrees_with_a_map() {
    let runtime = runtime();
    if let Some(database) = runtime.block_on(crate::support::fresh_postgres()) {
        histories_agree(&database.url(), &runtime);
    }
}
