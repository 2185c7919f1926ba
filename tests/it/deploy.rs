//! What `docs/deploy.md` says, carried out.

use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::routing::get;
use offpeak::domain::time::Timestamp;
use offpeak::store::{Change, Load, Migrations, connect};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::issuance::TestCa;
use crate::nginx::{Nginx, replaced};
use crate::process::{Server, offpeak};
use crate::support::{behind, fresh_postgres, fresh_sqlite};
use crate::tools::{output_text, run, tool};

const PAGE: &str = include_str!("../../docs/deploy.md");
const SERIAL: [u8; 4] = [0x87, 0x65, 0x43, 0x21];

#[tokio::test(flavor = "multi_thread")]
async fn nginx_ends_tls_in_front() {
    let Some(program) = tool("OFFPEAK_TEST_NGINX") else {
        return;
    };
    let database = fresh_sqlite();
    let mut server = Server::on(&database.url());
    let path = format!("/renewal-info/{}", register(&server, &SERIAL).await);
    let upstream = server.api.public.trim_start_matches("http://");
    let site = replaced(&block("nginx", "ari.conf"), "127.0.0.1:8080", upstream);
    let nginx = Nginx::serve(&program, "ari.example.com", &site);
    let get = |path: &str| nginx.get(&format!("https://ari.example.com{path}"), "identity");

    let window = get(&path);
    assert_eq!(window.status, 200, "{window:?}");
    assert_eq!(window.body, text(&server, &path).await);
    assert!(window.headers["retry-after"].parse::<u32>().is_ok());
    assert_eq!(window.headers["access-control-allow-origin"], "*");
    assert!(
        window.headers["server"].starts_with("offpeak/"),
        "{window:?}"
    );

    let ranking = get("/ranking.json");
    assert_eq!(ranking.status, 200, "{ranking:?}");
    assert_eq!(ranking.body, text(&server, "/ranking.json").await);
    assert!(ranking.headers["etag"].starts_with('"'), "{ranking:?}");

    let escaped = get(&path.replace('.', "%2E"));
    assert_eq!(
        escaped.status, 400,
        "it is passed on undecoded: {escaped:?}"
    );

    server.kill();
    let busy = get(&path);
    assert_eq!(busy.status, 503, "{busy:?}");
    assert_eq!(
        busy.body,
        r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"Service busy; retry later."}"#
    );
    assert_eq!(busy.headers["content-type"], "application/problem+json");
    assert!(busy.headers["retry-after"].parse::<u32>().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_adds_our_field_to_a_directory_that_passes_through() {
    let Some(program) = tool("OFFPEAK_TEST_NGINX") else {
        return;
    };
    let (ca, _serving) = serve_directory().await;
    let site = replaced(
        &block("nginx", "directory-filter.conf"),
        "127.0.0.1:4000",
        &ca,
    );
    let nginx = Nginx::serve(&program, "acme.example.com", &site);

    let answer = nginx.get("https://acme.example.com/acme/directory", "gzip");

    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_directory_with_our_field(&answer.body);
    let nonce = nginx.get("https://acme.example.com/acme/new-nonce", "identity");
    assert_eq!(nonce.body, "the rest passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_serves_a_directory_merged_with_our_field() {
    let Some(program) = tool("OFFPEAK_TEST_NGINX") else {
        return;
    };
    let database = fresh_sqlite();
    let server = Server::start(offpeak().args([
        "serve",
        "--database",
        &database.url(),
        "--base-url",
        "https://ari.example.com",
    ]));
    let (ca, serving) = serve_directory().await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let folder = dir.path().display().to_string();
    let script = block("sh", "merge-directory");
    let script = replaced(&script, "/var/lib/acme-directory", &folder);
    let script = replaced(&script, "127.0.0.1:4000", &ca);
    let ours = server.api.public.trim_start_matches("http://");
    let script = replaced(&script, "127.0.0.1:8080", ours);
    let site = block("nginx", "directory-file.conf");
    let site = replaced(&site, "/var/lib/acme-directory", &folder);
    let site = replaced(&site, "127.0.0.1:4000", &ca);

    run(&mut shell(&script));

    let nginx = Nginx::serve(&program, "acme.example.org", &site);
    let directory = || nginx.get("https://acme.example.org/acme/directory", "identity");
    assert_eq!(directory().headers["content-type"], "application/json");
    assert_directory_with_our_field(&directory().body);

    serving.abort();
    assert!(serving.await.is_err(), "the CA is away");
    let output = shell(&script).output().expect("sh starts");
    assert!(!output.status.success(), "{}", output_text(&output));
    assert_directory_with_our_field(&directory().body);
    let files = std::fs::read_dir(dir.path()).expect("the folder").count();
    assert_eq!(files, 1, "a temporary file is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_sqlite_answers_as_it_did() {
    let database = fresh_sqlite();
    let server = Server::on(&database.url());
    let before = register(&server, &SERIAL).await;
    let window = text(&server, &format!("/renewal-info/{before}")).await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let copy = dir.path().join("copy.db").display().to_string();
    let url = database.url();
    let file = url.trim_start_matches("sqlite:");
    let script = block("sh", "sqlite-backup");
    let script = replaced(&script, "/var/lib/offpeak/offpeak.db", file);
    let script = replaced(&script, "/var/backups/offpeak.db", &copy);

    run(&mut shell(&script));

    let since = register(&server, &[1, 2, 3]).await;
    let restored = Server::on(&format!("sqlite:{copy}"));
    assert_eq!(
        text(&restored, &format!("/renewal-info/{before}")).await,
        window
    );
    let unknown = restored.api.get(&format!("/renewal-info/{since}")).await;
    assert_eq!(unknown.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_postgres_answers_as_it_did() {
    let (Some(database), Some(restored)) = (fresh_postgres().await, fresh_postgres().await) else {
        return;
    };
    let server = Server::on(&database.url());
    let before = register(&server, &SERIAL).await;
    let window = text(&server, &format!("/renewal-info/{before}")).await;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dump = dir.path().join("dump").display().to_string();
    let script = block("sh", "postgres-backup");
    let script = replaced(
        &script,
        "postgres://offpeak@127.0.0.1/offpeak",
        &directly(&database.url()),
    );
    let script = replaced(&script, "/var/backups/offpeak.dump", &dump);
    run(&mut shell(&script));
    let since = register(&server, &[1, 2, 3]).await;
    let script = block("sh", "postgres-restore");
    let script = replaced(
        &script,
        "postgres://offpeak@127.0.0.1/restored",
        &directly(&restored.url()),
    );
    let script = replaced(&script, "/var/backups/offpeak.dump", &dump);

    run(&mut shell(&script));

    let restored = Server::on(&restored.url());
    assert_eq!(
        text(&restored, &format!("/renewal-info/{before}")).await,
        window
    );
    let unknown = restored.api.get(&format!("/renewal-info/{since}")).await;
    assert_eq!(unknown.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_restored_from_another_server_are_no_news() {
    let Some(database) = fresh_postgres().await else {
        return;
    };
    let url = database.url();
    let server = Server::on(&url);
    let restored = register(&server, &SERIAL).await;
    drop(server);
    // As a restore leaves it: what was told before has its place, whatever numbers this server gives.
    let script = "SELECT place_outbox(), pg_current_xact_id()";
    run(Command::new("psql").args(["-q", "-d", &directly(&url), "-c", script]));
    let store = connect(&url, Migrations::RefusePending)
        .await
        .expect("the store opens");
    let mut result = Vec::new();
    let mut on_change = |change| {
        if let Change::Certificate(certificate) = change {
            result.push(certificate.id.to_string());
        }
    };

    let loaded = store
        .load(Load::Everything, Timestamp::MIN, &mut on_change)
        .await
        .expect("a load");
    let followed = store
        .changes(loaded, &mut on_change)
        .await
        .expect("changes");
    let since = register(&Server::on(&url), &[1, 2, 3]).await;
    store
        .changes(followed, &mut on_change)
        .await
        .expect("changes");

    assert_eq!(result, [restored, since]);
}

#[test]
fn the_documented_configuration_is_valid() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("offpeak.toml");
    std::fs::write(&file, block("toml", "offpeak.toml")).expect("the file is written");

    run(offpeak().arg("check-config").arg("--config").arg(&file));
}

#[test]
fn systemd_takes_the_documented_unit() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        println!("skipped: there is no systemd-analyze");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let unit = dir.path().join("offpeak.service");
    let text = block("ini", "offpeak.service");
    let text = replaced(
        &text,
        "/usr/local/bin/offpeak",
        env!("CARGO_BIN_EXE_offpeak"),
    );
    std::fs::write(&unit, text).expect("the file is written");

    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--generators=no"])
        .arg(&unit)
        .output()
        .expect("systemd-analyze starts");

    // It ends with 0 for keys that it does not know, and only says so.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", output_text(&output));
    assert!(
        !said.contains("offpeak.service"),
        "{}",
        output_text(&output)
    );
}

/// The one block of the page that has this name.
pub(crate) fn block(language: &str, name: &str) -> String {
    let fence = format!("```{language} {name}\n");
    let mut found = PAGE.split(&fence).skip(1);
    let block = found.next().expect("the block is there");
    assert!(found.next().is_none(), "{name} is there twice");
    let (block, _) = block.split_once("\n```").expect("the block ends");
    format!("{block}\n")
}

/// A URL as PostgreSQL's own programs take it, which do not know what sqlx adds, and which set what a pooler by
/// transaction would leave to others.
fn directly(url: &str) -> String {
    let database = behind(url).to_url_lossy();
    database[..url::Position::AfterPath].to_owned()
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// Registers a certificate with this serial; its CertID.
async fn register(server: &Server, serial: &[u8]) -> String {
    let (certificate, _) = TestCa::new().issue("registered.example", serial);
    let id = instant_acme::CertificateIdentifier::try_from(certificate.der()).expect("a CertID");
    let line = json!({ "pem": certificate.pem() }).to_string();
    let report = server.api.post_ndjson("/v1/certificates", line).await;
    assert_eq!(report.expect("a report")["accepted"], 1);
    id.to_string()
}

async fn text(server: &Server, path: &str) -> String {
    let response = server.api.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.expect("text")
}

/// What the CA's directory holds without us.
fn directory() -> Value {
    json!({
        "newNonce": "https://acme.example.com/acme/new-nonce",
        "newAccount": "https://acme.example.com/acme/new-account",
        "newOrder": "https://acme.example.com/acme/new-order",
        "meta": { "website": "https://www.example.com/", "caaIdentities": ["example.com"] },
    })
}

fn assert_directory_with_our_field(body: &str) {
    let mut expected = directory();
    expected["renewalInfo"] = json!("https://ari.example.com/renewal-info");
    let served: Value = serde_json::from_str(body).expect("it still is JSON");
    assert_eq!(served, expected);
    assert_eq!(body.matches("renewalInfo").count(), 1, "{body}");
}

/// A CA's own directory, on a port of its own: `host:port`, and the task that serves it.
async fn serve_directory() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let directory = (
        [("content-type", "application/json")],
        directory().to_string(),
    );
    let router = Router::new()
        .route("/acme/directory", get(async move || directory))
        .route("/acme/new-nonce", get(async || "the rest passes"));
    let serving = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves");
    });
    (address, serving)
}
