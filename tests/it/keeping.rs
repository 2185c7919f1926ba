//! `[[publish]]`: the service brings each publication to its places by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use offpeak::config::PublishConfig;
use offpeak::domain::time::{DAY, MINUTE};
use offpeak::publish::keep::keep;
use offpeak::publish::place::Place;
use offpeak::publish::plan::{File, plan};
use tokio::time::sleep;

use crate::server::{TestServer, config};
use crate::support::fresh_sqlite;

/// Far longer than it takes; only a hang waits for it.
const LONG: Duration = Duration::from_mins(1);

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = async {
        while !holds() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, waited).await.is_ok(), "{what}");
}

fn to(folder: &Path) -> PublishConfig {
    PublishConfig {
        to: format!("file:{}", folder.display()),
        gzip: false,
        sign_with: None,
        retention_seconds: 10 * DAY,
    }
}

fn copies(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root.join("r")) else {
        return Vec::new();
    };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn each_publication_comes_to_every_place_and_old_copies_go() {
    let database = fresh_sqlite();
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    // Where a folder should be made stands a file, until somebody takes it away.
    fs::write(&other, "in the way").unwrap();
    let mut config = config();
    config.publish = vec![to(&other), to(&one)];
    let server = TestServer::on(&database.url(), config).await;
    let first = server.engine.publish().await.unwrap();
    let keeping = tokio::spawn(keep(Arc::clone(&server.engine)));
    let holds = |root: &Path, published: &offpeak::store::Publication| {
        let (_, bytes) = published
            .documents
            .iter()
            .find(|(path, _)| path == "ranking.json")
            .unwrap();
        fs::read(root.join("ranking.json")).is_ok_and(|there| there == **bytes)
    };
    until("the first", || holds(&one, &first)).await;
    assert!(one.join("SHA256SUMS").exists());
    let before = copies(&one);
    assert_eq!(fs::read_to_string(&other).unwrap(), "in the way");
    // A file of somebody else's, and copies of long ago: of one nothing but the copy goes.
    let strange = one.join("r").join("notes.txt");
    fs::write(&strange, "kept").unwrap();
    let old = server.clock_time() - Duration::from_hours(11 * 24);
    for copy in &before {
        for entry in fs::read_dir(copy).unwrap() {
            let file = fs::File::options().write(true).open(entry.unwrap().path());
            file.unwrap().set_modified(old).unwrap();
        }
    }
    fs::remove_file(&other).unwrap();
    server.clock.set(server.engine.now() + MINUTE);
    let second = server.engine.publish().await.unwrap();
    until("the second", || holds(&one, &second)).await;
    until("old copies are gone", || {
        before.iter().all(|copy| !copy.exists())
    })
    .await;
    assert!(strange.exists() && copies(&one).len() > 1);
    keeping.abort();
}

/// An object store that takes so many objects and then no more.
#[derive(Clone, Default)]
struct Bucket {
    objects: Arc<Mutex<Vec<(String, Bytes)>>>,
    room: usize,
}

async fn object(
    State(bucket): State<Bucket>,
    method: Method,
    uri: Uri,
    _: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches("/bucket/tree/").to_owned();
    let mut objects = bucket.objects.lock().unwrap();
    let found = objects.iter().position(|(known, _)| *known == path);
    match (method, found) {
        (Method::PUT, _) if objects.len() >= bucket.room => StatusCode::FORBIDDEN.into_response(),
        (Method::PUT, _) => {
            objects.push((path, body));
            ([("etag", "\"1\"")], "").into_response()
        }
        (_, Some(at)) => {
            let headers = [
                ("etag", "\"1\""),
                ("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT"),
            ];
            (headers, objects[at].1.clone()).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Whatever object a run dies before, no pointer points at what is not there.
#[tokio::test]
async fn a_run_that_dies_half_way_leaves_the_old_tree_whole() {
    let server = TestServer::start().await;
    let first = plan(&server.engine.publish().await.unwrap().documents);
    server.clock.set(server.engine.now() + MINUTE);
    let second = plan(&server.engine.publish().await.unwrap().documents);
    let made_at = server.engine.now();
    // With the sums, and with what both have in common already there.
    let all = first.len() + 1;
    for died_before in 0..=second.len() {
        let bucket = Bucket {
            room: all + died_before,
            ..Bucket::default()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(object).with_state(bucket.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        let variables = [
            ("AWS_ENDPOINT", format!("http://{address}")),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let place = Place::open("s3://bucket/tree", variables).unwrap();
        let brought = place.bring(first.clone(), None, made_at).await.unwrap();
        assert_eq!(brought.written, all);
        let died = place.bring(second.clone(), None, made_at).await;
        let objects = bucket.objects.lock().unwrap().clone();
        assert_whole(&objects, &first, &second);
        if let Ok(applied) = died {
            assert!(applied.written > 1 && applied.unchanged > 0, "{applied:?}");
        }
        serving.abort();
    }
}

/// What pointers hold is there as a copy that never changes, and the sums are of one of both trees.
fn assert_whole(objects: &[(String, Bytes)], first: &[File], second: &[File]) {
    let newest = |path: &str| {
        let of = objects.iter().rev().find(|(known, _)| known == path);
        of.map(|(_, bytes)| bytes.clone())
    };
    let copies: Vec<&Bytes> = objects
        .iter()
        .filter(|(path, _)| path.starts_with("r/"))
        .map(|(_, bytes)| bytes)
        .collect();
    for file in first.iter().chain(second) {
        if file.path.ends_with("ranking.json") {
            let there = newest(&file.path);
            let is_copy = file.path.starts_with("r/");
            assert!(
                is_copy || copies.contains(&&there.unwrap()),
                "{}",
                file.path
            );
        }
    }
}

impl TestServer {
    /// What its clock says, as a file system has it.
    fn clock_time(&self) -> SystemTime {
        let seconds = u64::try_from(self.engine.now().unix()).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}
