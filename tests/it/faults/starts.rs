//! Starts while the database is away: the index's file answers until it comes.

use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use sqlx::raw_sql;
use tempfile::TempDir;

use super::*;

/// Known before the database goes away.
const KNOWN: u32 = 20;

/// A folder with a replica's configuration and the file of its index.
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn snapshot(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    /// `serve` on this database.
    pub(super) fn serve(&self, database_url: &str) -> Command {
        let file = self.folder.path().join("offpeak.toml");
        let snapshot = self.snapshot();
        let text = format!(
            "database = {database_url:?}\nsnapshot = \"{}\"\n",
            snapshot.display()
        );
        fs::write(&file, text).unwrap();
        let mut command = offpeak();
        command.arg("serve").arg("--config").arg(file);
        command
    }

    /// A replica that has lived and was stopped; what it answered of each certificate.
    pub(super) async fn lived(&self, database_url: &str) -> Vec<(String, String)> {
        let mut replica = Server::start(&mut self.serve(database_url));
        register(&replica.api, 0..KNOWN).await;
        let mut given = Vec::new();
        for n in 0..KNOWN {
            given.push(answer(&replica.api, n).await);
        }
        replica.signal("TERM");
        assert!(ended(&mut replica).await.success());
        let rights = fs::metadata(self.snapshot()).unwrap().permissions();
        assert_eq!(rights.mode() & 0o777, 0o600, "it holds the store's key");
        given
    }
}

/// Waits until it has ended.
pub(super) async fn ended(server: &mut Server) -> ExitStatus {
    let mut status = None;
    until("it ends", async || {
        status = server.has_ended();
        status.is_some()
    })
    .await;
    status.unwrap()
}

/// What a start that is refused says.
async fn refused(mut serve: Command) -> String {
    /// Killed where it is not refused.
    struct Starting(Child);
    impl Drop for Starting {
        fn drop(&mut self) {
            // It has ended by itself mostly.
            let _ = self.0.kill();
            self.0.wait().expect("it was started here");
        }
    }
    let mut said = tempfile::tempfile().unwrap();
    serve
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
        .stdout(Stdio::null())
        .stderr(said.try_clone().unwrap());
    let mut starting = Starting(serve.spawn().unwrap());
    let mut status = None;
    until("it is refused", async || {
        status = starting.0.try_wait().unwrap();
        status.is_some()
    })
    .await;
    let mut text = String::new();
    said.rewind().unwrap();
    said.read_to_string(&mut text).unwrap();
    assert_eq!(status.unwrap().code(), Some(1), "{text}");
    text
}

/// Sees that a replica without its database answers what it knows, takes nothing and says so.
pub(super) async fn answers_alone(api: &Api, given: &[(String, String)]) {
    for (n, given) in (0..).zip(given) {
        assert_eq!(answer(api, n).await, *given);
    }
    assert_eq!(within(api.get("/ranking.json")).await.status(), 200);
    let unknown = format!("/renewal-info/{}", cert_id(999_999));
    let unknown = within(api.get(&unknown)).await;
    assert_eq!(unknown.status(), 503, "another may have registered it");
    assert!(unknown.headers().contains_key(RETRY_AFTER));
    let sent = api.send_ndjson("/v1/certificates", body([KNOWN], now()));
    let refused = within(sent).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key(RETRY_AFTER));
    let (status, degraded) = readiness(api).await;
    assert_eq!(status, 200, "it serves what it knows");
    let said = degraded
        .iter()
        .any(|one| one.as_str().unwrap().contains("at the start"));
    assert!(said, "{degraded:?}");
}

async fn is_whole(api: &Api) -> bool {
    readiness(api).await == (200, Vec::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_the_database_is_dead_answers_and_recovers() {
    let Some(mut database) = DatabaseServer::start().await else {
        return;
    };
    let place = Place::new();
    let given = place.lived(&database.url()).await;
    database.kill();
    let replica = Server::start(&mut place.serve(&database.url()));
    replica.logged("started_without_store");
    answers_alone(&replica.api, &given).await;

    database.start_again().await;
    until("nothing is degraded", async || is_whole(&replica.api).await).await;
    replica.logged("store_joined");
    register(&replica.api, KNOWN..KNOWN + 5).await;
    let other = Server::on(&database.url());
    register(&other.api, KNOWN + 5..KNOWN + 10).await;
    for n in 0..KNOWN + 10 {
        let from_store = answer(&other.api, n).await;
        assert_eq!(answer(&replica.api, n).await, from_store, "{n}");
        if let Some(given) = given.get(n as usize) {
            assert_eq!(from_store, *given);
        }
    }
    within(replica.publish()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_while_the_database_is_black_holed_answers_and_recovers() {
    let Some(database) = DatabaseServer::start().await else {
        return;
    };
    let wire = Wire::to(&database.socket()).await;
    let place = Place::new();
    let given = place.lived(&wire.url()).await;
    // While this one was down another has written.
    let other = Server::on(&database.url());
    register(&other.api, KNOWN + 1..KNOWN + 5).await;
    wire.swallow();
    let replica = Server::start(&mut place.serve(&wire.url()));
    answers_alone(&replica.api, &given).await;
    wire.heal();
    until("nothing is degraded", async || is_whole(&replica.api).await).await;
    for n in KNOWN + 1..KNOWN + 5 {
        let from_store = answer(&other.api, n).await;
        assert_eq!(answer(&replica.api, n).await, from_store, "{n}");
    }
    register(&replica.api, KNOWN..KNOWN + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_database_is_forgotten_when_the_database_comes() {
    let Some(mut database) = DatabaseServer::start().await else {
        return;
    };
    let mut operator = crate::support::open_connection(&database.url()).await;
    raw_sql("CREATE DATABASE other")
        .execute(&mut operator)
        .await
        .unwrap();
    let other_url = database.url().replace("/postgres?", "/other?");
    assert_ne!(other_url, database.url());
    let other = Server::on(&other_url);
    register(&other.api, KNOWN..KNOWN + 3).await;
    drop(other);
    let place = Place::new();
    let given = place.lived(&database.url()).await;
    database.kill();
    let replica = Server::start(&mut place.serve(&other_url));
    answers_alone(&replica.api, &given).await;

    database.start_again().await;
    until("nothing is degraded", async || is_whole(&replica.api).await).await;
    let ignored = replica.logged("snapshot_ignored");
    assert!(ignored.contains("another database"), "{ignored}");
    let foreign = within(replica.api.get(&format!("/renewal-info/{}", cert_id(0)))).await;
    assert_eq!(foreign.status(), 404);
    for n in KNOWN..KNOWN + 3 {
        answer(&replica.api, n).await;
    }
    register(&replica.api, 0..1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_start_refuses_is_refused_when_the_database_comes() {
    let Some(mut database) = DatabaseServer::start().await else {
        return;
    };
    let place = Place::new();
    let given = place.lived(&database.url()).await;
    let mut operator = crate::support::open_connection(&database.url()).await;
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 SELECT 9999, 'later', true, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    raw_sql(newer).execute(&mut operator).await.unwrap();
    let at_once = refused(place.serve(&database.url())).await;
    assert!(at_once.contains("run a newer offpeak"), "{at_once}");

    database.kill();
    let mut replica = Server::start(&mut place.serve(&database.url()));
    answers_alone(&replica.api, &given).await;
    database.start_again().await;
    assert_eq!(ended(&mut replica).await.code(), Some(1));
    let said = replica.log();
    assert!(said.contains("run a newer offpeak"), "{said}");
    assert!(said.contains("\"event\":\"stopped\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_cannot_answer_or_is_not_let_in_says_why() {
    let Some(mut database) = DatabaseServer::start().await else {
        return;
    };
    let place = Place::new();
    place.lived(&database.url()).await;
    // Who we say we are and which database we want is the configuration's.
    for wrong in [
        database.url().replace("postgres@", "nobody@"),
        database.url().replace("/postgres?", "/nothing?"),
    ] {
        assert_ne!(wrong, database.url());
        let said = refused(place.serve(&wrong)).await;
        assert!(said.contains("does not exist"), "{said}");
    }
    database.kill();
    fs::remove_file(place.snapshot()).unwrap();
    let said = refused(place.serve(&database.url())).await;
    assert!(said.contains("the database is away"), "{said}");
}
