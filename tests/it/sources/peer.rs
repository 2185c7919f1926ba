//! Counts taken from another offpeak: a real one, and those that are dead, slow, huge or tell lies.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use offpeak::config::Config;
use offpeak::domain::demand::observation::{Observation, Source};
use offpeak::domain::time::Timestamp;
use offpeak::engine::Engine;
use offpeak::engine::clock::{Clock as _, ManualClock, SystemClock};
use offpeak::source::SourceError;
use offpeak::source::read_once;
use offpeak::store::{Change, Load, Migrations, SourceStep, connect};
use serde_json::{Value, json};

use crate::process::{Server, offpeak};
use crate::server::sha256_hex;
use crate::support::{FreshSqlite, fresh_sqlite};

pub(super) const NOW: &str = "2026-11-28T12:00:00Z";

/// A configuration with one peer at `url`, of which logs and one observer are believed.
pub(super) fn text(folder: &Path, url: &str) -> String {
    let token = folder.join("token");
    fs::write(&token, "the peer's token\n").unwrap();
    format!(
        "[[source]]\nname = \"south\"\nca = \"default\"\nkind = \"peer\"\nurl = \"{url}\"\n\
         token_file = \"{}\"\nsources = [\"log\", \"observer\"]\n",
        token.display()
    )
}

pub(super) async fn engine(text: &str) -> (Arc<Engine>, FreshSqlite) {
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW.parse().unwrap()));
    let engine = Engine::open(store, Config::parse(text).unwrap(), clock).await;
    (engine.unwrap(), database)
}

/// What peers are made of: a route, whatever it answers.
pub(super) async fn peer(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

pub(super) async fn taken(engine: &Engine) -> Vec<Observation> {
    let mut found = Vec::new();
    let mut on_change = |change| {
        if let Change::Observed { observation, .. } = change {
            found.push(observation);
        }
    };
    let from = Timestamp::from_unix(0);
    let load = engine
        .store()
        .load(Load::WithoutCertificates, from, &mut on_change);
    load.await.unwrap();
    found
}

/// What becomes of asking a peer that answers so.
async fn refused(router: Router) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _database) = engine(&text(folder.path(), &peer(router).await)).await;
    let source = engine.config().sources[0].clone();
    let error: SourceError = read_once(&engine, &source).await.unwrap_err();
    (error.to_string(), taken(&engine).await.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_is_believed_what_the_configuration_says_and_under_its_own_name() {
    let router = Router::new().route(
        "/v1/export",
        get(async |headers: HeaderMap, RawQuery(query): RawQuery| {
            assert_eq!(headers["authorization"], "Bearer the peer's token");
            let query = query.unwrap();
            let line = |source: &str, ca: &str, vantage: Option<&str>, at: &str| {
                json!({"at": at, "seconds": 60, "kind": "attempt", "count": 5, "ca": ca, "source": source,
                       "vantage": vantage, "something": "new"})
            };
            let usual = "2026-11-28T11:00:00Z";
            let lines = if query.contains("after=x.1") {
                vec![line("log", "default", None, usual)]
            } else {
                vec![
                    line("log", "default", None, usual),
                    line("log", "default", Some("front"), usual),
                    line("observer", "default", Some("oslo"), usual),
                    // Who is not believed to be the CA, of another CA, and too old.
                    line("ca", "default", None, usual),
                    line("log", "other", None, usual),
                    line("log", "default", None, "2026-11-01T00:00:00Z"),
                    // Ahead of our clock.
                    line("log", "default", None, "2026-11-29T00:00:00Z"),
                ]
            };
            let more = !query.contains("after=x.1");
            json!({"next": if more { "x.1" } else { "x.2" }, "more": more,
                              "observations": lines}).to_string().into_response()
        }),
    );
    let folder = tempfile::tempdir().unwrap();
    let (engine, _database) = engine(&text(folder.path(), &peer(router).await)).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    let taken = taken(&engine).await;
    let mut result: Vec<(Source, &str)> = taken
        .iter()
        .map(|one| (one.source, one.vantage.as_deref().unwrap()))
        .collect();
    result.sort_unstable();
    assert_eq!(
        result,
        [
            (Source::Log, "peer:south"),
            (Source::Log, "peer:south"),
            (Source::Log, "peer:south:front"),
            (Source::Observer, "peer:south"),
        ]
    );
    // Nothing of it is handed on.
    let export = engine.export(None, 100).await.unwrap().unwrap();
    assert!(export.observations.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_from_a_peer_is_named_and_not_counted() {
    let at = "2026-11-28T11:00:00Z";
    let fine = json!({"at": at, "kind": "attempt", "count": 1, "source": "log"});
    let answer = |observations: Vec<Value>| {
        json!({"next": "x", "more": false, "observations": observations}).to_string()
    };
    let wrong = |field: &str, value: Value| {
        let mut line = fine.clone();
        line[field] = value;
        answer(vec![fine.clone(), line])
    };
    let vantages = (0..9).map(|number| {
        let mut line = fine.clone();
        line["vantage"] = format!("v{number}").into();
        line
    });
    for (body, want) in [
        (String::new(), "does not answer as an offpeak does"),
        ("<html>".to_owned(), "does not answer as an offpeak does"),
        ("[".repeat(100_000), "does not answer as an offpeak does"),
        (
            json!({"next": "n".repeat(201), "more": false, "observations": []}).to_string(),
            "next: it has more than 200 octets",
        ),
        (wrong("count", json!(-1)), "observations[1].count: "),
        (wrong("count", json!(1e30)), "observations[1].count: "),
        (wrong("at", json!("yesterday")), "observations[1].at: "),
        (
            wrong("endpoint", json!("e".repeat(300))),
            "observations[1].endpoint: it has 300 octets",
        ),
        (wrong("source", json!("pope")), "observations[1].source: "),
        (answer(vec![json!(7)]), "observations[0]"),
        (answer(vantages.collect()), "has more than 8 vantages"),
    ] {
        let router = Router::new().route("/v1/export", get(async move || body));
        let (error, counted) = refused(router).await;
        assert!(error.contains(want), "{want}: {error}");
        assert_eq!(counted, 0, "{want}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_huge_endless_busy_or_elsewhere_is_left_in_time() {
    let huge = Router::new().route("/v1/export", get(async || vec![b' '; 5 << 20]));
    let (error, _) = refused(huge).await;
    assert!(error.contains("is longer than 4194304 octets"), "{error}");
    let same = json!({"next": "x", "more": true, "observations": []}).to_string();
    let still = Router::new().route("/v1/export", get(async move || same));
    let (error, _) = refused(still).await;
    assert!(error.contains("stands still"), "{error}");
    let busy = Router::new().route("/v1/export", get(async || StatusCode::SERVICE_UNAVAILABLE));
    let (error, _) = refused(busy).await;
    assert!(error.contains("says 503: asked again in 60 s"), "{error}");
    // The token goes to nobody else.
    let elsewhere = Router::new().route(
        "/v1/export",
        get(async || axum::response::Redirect::temporary("http://127.0.0.1:9/")),
    );
    let (error, _) = refused(elsewhere).await;
    assert!(error.contains("says 307"), "{error}");
    // One that has told all that is taken in a day is not asked before tomorrow.
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let flood = Router::new().route(
        "/v1/export",
        get(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            r#"{"next":"x","more":false,"observations":[]}"#
        }),
    );
    let folder = tempfile::tempdir().unwrap();
    let (engine, _database) = engine(&text(folder.path(), &peer(flood).await)).await;
    let today = engine.now().slot(86_400);
    let cursor = json!({"day": today, "taken": 2_000_000, "vantages": []}).to_string();
    let step = SourceStep {
        source: "south",
        from: None,
        to: &cursor,
        observations: &[],
        counted: &[],
    };
    assert!(
        engine
            .store()
            .advance_source(step, engine.now())
            .await
            .unwrap()
    );
    let source = engine.config().sources[0].clone();
    let error = read_once(&engine, &source).await.unwrap_err().to_string();
    assert!(
        error.contains("at most 2000000 are accepted a day"),
        "{error}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_with_a_new_database_is_not_counted_twice() {
    let moved = Arc::new(AtomicU64::new(0));
    let of = Arc::clone(&moved);
    let router = Router::new().route(
        "/v1/export",
        get(async move |Query(query): Query<Vec<(String, String)>>| {
            let after = query.iter().find(|(name, _)| name == "after");
            let line = |at: &str| json!({"at": at, "kind": "attempt", "count": 1, "source": "log"});
            let old = line("2026-11-28T11:00:00Z");
            let moved = of.load(Ordering::SeqCst) > 0;
            let (next, lines) = match after.map(|(_, after)| after.as_str()) {
                None if moved => ("b.2", vec![old, line("2026-11-28T11:01:00Z")]),
                None => ("a.1", vec![old]),
                Some("a.1") if moved => return StatusCode::GONE.into_response(),
                Some(after) => (after, vec![]),
            };
            json!({"next": next, "more": false, "observations": lines})
                .to_string()
                .into_response()
        }),
    );
    let folder = tempfile::tempdir().unwrap();
    let (engine, _database) = engine(&text(folder.path(), &peer(router).await)).await;
    let source = engine.config().sources[0].clone();
    read_once(&engine, &source).await.unwrap();
    assert_eq!(taken(&engine).await.len(), 1);
    moved.store(1, Ordering::SeqCst);
    read_once(&engine, &source).await.unwrap();
    read_once(&engine, &source).await.unwrap();
    assert_eq!(taken(&engine).await.len(), 2);
}

/// Waits until a source of a server is as it should be; its entry in `/v1/status`.
async fn until(server: &Server, name: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        let status: Value = server.api.get("/v1/status").await.json().await.unwrap();
        let sources = status["sources"].as_array().cloned().unwrap_or_default();
        if let Some(source) = sources.into_iter().find(|one| one["name"] == name) {
            if is(&source) {
                return source;
            }
            last = source;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{name}: {last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_takes_what_another_counted_and_a_dead_peer_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let digest = sha256_hex(b"for north");
    fs::write(
        path("south.toml"),
        format!("[[token]]\nname = \"north\"\nsha256 = \"{digest}\"\nscopes = [\"export\"]\n"),
    )
    .unwrap();
    let serve = |config: &str, database: &str| {
        let mut command = offpeak();
        command.args(["serve", "--config", &path(config)]);
        command.args(["--database", &format!("sqlite:{}", path(database))]);
        command
    };
    let south = Server::start(&mut serve("south.toml", "south.db"));
    // Certificates are registered there, and load is told.
    let now = SystemClock.now();
    let lines: Vec<String> = (10..20)
        .map(|minute| {
            let at = now - minute * 60;
            format!(r#"{{"at":"{at}","kind":"attempt","count":3,"source":"log","endpoint":"new-order"}}"#)
        })
        .collect();
    let report = south.api.post_ndjson("/v1/observations", lines.join("\n"));
    assert_eq!(report.await.unwrap()["accepted"], 10);
    let certificate = json!({"certId": "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE", "issuedAt": now - 600,
        "notBefore": now - 600, "notAfter": now + 90 * 86_400});
    let report = south
        .api
        .post_ndjson("/v1/certificates", certificate.to_string());
    assert_eq!(report.await.unwrap()["accepted"], 1);
    // Whoever has no token for it is told nothing; the one for peers opens nothing else.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |path: &str, token: &str| {
        client
            .get(format!("{}{path}", south.api.admin))
            .bearer_auth(token)
            .send()
    };
    assert_eq!(ask("/v1/export", "wrong").await.unwrap().status(), 401);
    assert_eq!(
        ask("/v1/overview", "for north").await.unwrap().status(),
        403
    );
    assert_eq!(ask("/v1/export", "for north").await.unwrap().status(), 200);
    let gone = ask("/v1/export?after=0123456789abcdef.1.0.0", "for north");
    assert_eq!(gone.await.unwrap().status(), 410);

    fs::write(path("token"), "for north").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = closed.local_addr().unwrap();
    drop(closed);
    let peer = |name: &str, url: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nca = \"default\"\nkind = \"peer\"\nurl = \"{url}\"\n\
             token_file = \"{}\"\nsources = [\"log\", \"registrations\"]\n",
            path("token")
        )
    };
    // One that takes connections and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let sources = [
        peer("dead", &format!("http://{dead}")),
        peer("silent", &silent_url),
        peer("south", &south.api.admin),
    ];
    fs::write(path("north.toml"), sources.concat()).unwrap();
    let north = Server::start(&mut serve("north.toml", "north.db"));
    let reading = until(&north, "south", |one| one["state"] == "reading").await;
    assert_eq!(
        (&reading["kind"], &reading["ca"]),
        (&"peer".into(), &"default".into())
    );
    let failing = until(&north, "dead", |one| one["state"] == "failing").await;
    assert!(
        failing["reason"].is_null(),
        "what failed is in the log alone: {failing}"
    );
    assert!(north.log().contains("does not answer"), "{}", north.log());
    let metrics = north.api.admin_get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains(r#"offpeak_source_up{source="south"} 1"#),
        "{metrics}"
    );
    // Ten lines, and the registry's minutes from the certificate's on.
    let records = metrics.lines().find_map(|line| {
        let result = line.strip_prefix(r#"offpeak_source_records_total{source="south"} "#);
        result?.parse::<u64>().ok()
    });
    assert!(matches!(records, Some(14..=17)), "{metrics}");
    assert!(
        metrics.contains(r#"offpeak_source_up{source="dead"} 0"#),
        "{metrics}"
    );
    // The ranking is published all the same.
    assert_eq!(north.api.get("/ranking.json").await.status(), 200);
    let result = north.api.admin_get("/v1/export").await;
    let result: Value = result.json().await.unwrap();
    assert_eq!(result["observations"], json!([]), "nothing is handed on");
    drop(silent);
}
