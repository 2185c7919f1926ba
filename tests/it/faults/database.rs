//! The database goes away and comes back.

use super::*;

/// What befalls the database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// It, and all on the way to it, swallow everything.
    BlackHole,
    /// It stops and says nothing.
    Freeze,
    /// It dies.
    Kill,
    /// It is shut down while it is at work.
    ShutDown,
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_while_the_database_is_black_holed() {
    answers_go_on_and_nothing_is_lost(Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_while_the_database_is_frozen() {
    answers_go_on_and_nothing_is_lost(Fault::Freeze).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_while_the_database_is_dead() {
    answers_go_on_and_nothing_is_lost(Fault::Kill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_on_while_the_database_is_shut_down() {
    answers_go_on_and_nothing_is_lost(Fault::ShutDown).await;
}

/// Known before the fault.
const KNOWN: u32 = 40;
/// Handed in one after the other, through the fault and after.
const WRITTEN_FROM: u32 = 1_000;

async fn answers_go_on_and_nothing_is_lost(fault: Fault) {
    let Some(mut database) = DatabaseServer::start().await else {
        return;
    };
    let wire = Wire::to(&database.socket()).await;
    let replicas = [Server::on(&wire.url()), Server::on(&wire.url())];
    register(&replicas[0].api, 0..KNOWN).await;
    let mut known = Vec::new();
    for n in 0..KNOWN {
        let given = answer(&replicas[0].api, n).await;
        assert_eq!(answer(&replicas[1].api, n).await, given);
        known.push(given);
    }
    let ranking = ranking(&replicas[0].api).await;
    let writer = Writer::start(&replicas[0].api);
    until("something is written", async || writer.taken().len() > 5).await;

    match fault {
        Fault::BlackHole => wire.swallow(),
        Fault::Freeze => database.freeze(),
        Fault::Kill => database.kill(),
        Fault::ShutDown => database.shut_down_at_once(),
    }
    let since = Instant::now();
    for replica in &replicas {
        until("readyz names it", async || {
            let (status, degraded) = readiness(&replica.api).await;
            assert_eq!(status, 200, "it serves what it knows");
            let names_it = |one: &Value| one.as_str().unwrap().contains("the database is away");
            degraded.iter().any(names_it)
        })
        .await;
    }
    println!("{fault:?}: named after {:?}", since.elapsed());
    // Writes are turned away with word of when to come again: the writer looks at that.
    let refused = writer.refused();
    until("a write is refused", async || writer.refused() > refused).await;
    for replica in &replicas {
        for (n, given) in (0..).zip(&known) {
            assert_eq!(answer(&replica.api, n).await, *given, "{fault:?}");
        }
        // What is not known may have been registered with the other one.
        let unknown = format!("/renewal-info/{}", cert_id(999_999));
        let unknown = within(replica.api.get(&unknown)).await;
        assert_eq!(unknown.status(), 503);
        assert!(unknown.headers().contains_key(RETRY_AFTER));
        assert_eq!(self::ranking(&replica.api).await, ranking);
    }

    match fault {
        Fault::BlackHole => wire.heal(),
        Fault::Freeze => database.thaw(),
        Fault::Kill | Fault::ShutDown => database.start_again().await,
    }
    let taken = writer.taken().len();
    until("writes are taken again", async || {
        writer.taken().len() > taken + 5
    })
    .await;
    for replica in &replicas {
        until("nothing is degraded", async || {
            readiness(&replica.api).await == (200, Vec::new())
        })
        .await;
    }
    // What was acknowledged is there: in those that went through it, and in one that did not.
    let taken = writer.end().await;
    let fresh = Server::on(&wire.url());
    for n in (0..KNOWN).chain(taken) {
        let given = answer(&fresh.api, n).await;
        for replica in &replicas {
            assert_eq!(settled(&replica.api, n).await, given, "certificate {n}");
        }
    }
    for replica in &replicas {
        let log = replica.log();
        assert!(!log.contains("\"status\":500"), "{log}");
    }
    // Publishing works again as well.
    within(replicas[1].publish()).await;
}

/// The answer, where the replica may still be busy with connections that are dead.
async fn settled(api: &Api, n: u32) -> (String, String) {
    until("it is no longer busy", async || {
        let answer = within(api.get(&format!("/renewal-info/{}", cert_id(n)))).await;
        assert!([200, 503].contains(&answer.status().as_u16()), "never 404");
        answer.status() == 200
    })
    .await;
    answer(api, n).await
}

async fn ranking(api: &Api) -> String {
    let answer = within(api.get("/ranking.json")).await;
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// Hands in certificates one after the other, each until it is taken.
struct Writer {
    seen: Arc<Seen>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    taken: Mutex<BTreeSet<u32>>,
    refused: Mutex<u32>,
    ending: AtomicBool,
}

impl Writer {
    fn start(api: &Api) -> Self {
        let (api, seen) = (api.clone(), Arc::new(Seen::default()));
        let task = tokio::spawn(write(api, Arc::clone(&seen)));
        Self { seen, task }
    }

    fn taken(&self) -> BTreeSet<u32> {
        self.seen.taken.lock().unwrap().clone()
    }

    fn refused(&self) -> u32 {
        *self.seen.refused.lock().unwrap()
    }

    /// Those that were acknowledged.
    async fn end(self) -> BTreeSet<u32> {
        self.seen.ending.store(true, Ordering::Relaxed);
        within(self.task).await.expect("every answer was right");
        self.seen.taken.lock().unwrap().clone()
    }
}

async fn write(api: Api, seen: Arc<Seen>) {
    let issued_at = now();
    let mut n = WRITTEN_FROM;
    while !seen.ending.load(Ordering::Relaxed) {
        let sent = api.send_ndjson("/v1/certificates", body([n], issued_at));
        let answer = within(sent).await.expect("the replica lives");
        if answer.status() == 503 {
            assert!(answer.headers().contains_key(RETRY_AFTER));
            *seen.refused.lock().unwrap() += 1;
            continue;
        }
        assert_eq!(answer.status(), 200);
        // One that was stored before its refusal is known.
        let report: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert!(
            report["accepted"] == 1 || report["unchanged"] == 1,
            "{report}"
        );
        seen.taken.lock().unwrap().insert(n);
        n += 1;
    }
}
