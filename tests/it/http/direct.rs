//! What is answered around the router is, octet for octet, what the router answers.

use offpeak::domain::time::DAY;

use crate::server::{NOW, TestServer, config};
use crate::support::databases;

const KNOWN: &str = "/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

/// The answer to a request that is answered directly, and to the same one with a body, which the
/// router gets.
async fn both(server: &TestServer, start: &str, headers: &str) -> [String; 2] {
    let request = format!("{start} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
    let direct = server.raw_octets(&format!("{request}\r\n")).await;
    let routed = format!("{request}content-length: 1\r\n\r\nx");
    let routed = server.raw_octets(&routed).await;
    [direct, routed].map(plain)
}

/// An answer without what may differ: the second may have changed, and where hyper puts that it
/// closes the connection depends on who wrote the length.
fn plain(answer: Vec<u8>) -> String {
    // Bodies may be compressed: each octet as a character.
    let answer: String = answer.into_iter().map(char::from).collect();
    assert!(answer.contains("\r\ndate: "), "{answer}");
    let lines = answer.split_inclusive("\r\n");
    lines
        .filter(|line| !line.starts_with("date: ") && !line.starts_with("connection: "))
        .collect()
}

#[tokio::test]
async fn windows_and_documents_are_the_router_s_octet_for_octet() {
    let server = TestServer::start().await;
    let cert_id = KNOWN.trim_start_matches("/renewal-info/");
    server.register(cert_id, NOW, NOW + (90 * DAY - 1)).await;
    server.engine.publish().await.unwrap();
    // Directly answered documents are those that are ready.
    server.get("/ranking.json").await;
    for (path, headers, status) in [
        (KNOWN, "", "200 OK"),
        (KNOWN, "if-none-match: *\r\n", "304 Not Modified"),
        (KNOWN, "if-none-match: \"other\"\r\n", "200 OK"),
        (
            KNOWN,
            "origin: https://x\r\naccept-encoding: gzip\r\n",
            "200 OK",
        ),
        (&format!("{KNOWN}?x=/y"), "", "200 OK"),
        // Without the sign octet.
        (
            "/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.h2VDIQ",
            "",
            "200 OK",
        ),
        (&format!("{KNOWN}/"), "", "400 Bad Request"),
        (
            "/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.A%51",
            "",
            "400 Bad Request",
        ),
        ("/renewal-info/", "", "400 Bad Request"),
        ("/ranking.json", "", "200 OK"),
        ("/ranking.json", "accept-encoding: gzip\r\n", "200 OK"),
        (
            "/ranking.json",
            "accept-encoding: br, zstd;q=0.1\r\n",
            "200 OK",
        ),
        ("/ranking.json", "if-none-match: *\r\n", "304 Not Modified"),
        ("/schema/ranking-1.json", "", "200 OK"),
        ("/ca/example/ranking.json", "", "200 OK"),
        ("/ca/nobody/ranking.json", "", "404 Not Found"),
        ("/directory", "", "200 OK"),
        ("/v1/best-time?seed=a", "", "200 OK"),
        (
            "/v1/best-time?seed=a&format=cron&tz=Europe/Prague",
            "origin: https://x\r\n",
            "200 OK",
        ),
        ("/v1/best-time?seed=a&ca=nobody", "", "404 Not Found"),
        ("/v1/best-time?sed=a", "", "400 Bad Request"),
    ] {
        for method in ["GET", "HEAD"] {
            let [direct, routed] = both(&server, &format!("{method} {path}"), headers).await;
            let case = format!("{method} {path} {headers}: {direct}\n{routed}");
            assert!(
                direct.starts_with(&format!("HTTP/1.1 {status}\r\n")),
                "{case}"
            );
            // How long to stay away is drawn for each answer about what is not there.
            if status.starts_with('4') {
                let kept = |answer: &str| -> String {
                    let lines = answer.split_inclusive("\r\n");
                    lines
                        .filter(|line| !line.starts_with("retry-after: "))
                        .collect()
                };
                assert_eq!(kept(&direct), kept(&routed), "{case}");
            } else {
                assert_eq!(direct, routed, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_miss_is_the_router_s_but_for_when_to_come_back() {
    for database in databases().await {
        let server = TestServer::on(&database.url(), config()).await;
        misses(&server).await;
    }
}

async fn misses(server: &TestServer) {
    for unknown in ["aYhba4dGQEHhs3uEe6CuLN4ByNQ.Aw", "AQ.Aw"] {
        for method in ["GET", "HEAD"] {
            let start = format!("{method} /renewal-info/{unknown}");
            let answers = both(server, &start, "").await.map(|answer| {
                let (before, after) = answer.split_once("retry-after: ").unwrap();
                let (seconds, after) = after.split_once("\r\n").unwrap();
                let seconds: u32 = seconds.parse().unwrap();
                assert!((17_280..=25_920).contains(&seconds), "{answer}");
                format!("{before}{after}")
            });
            assert!(answers[0].starts_with("HTTP/1.1 404 Not Found\r\n"));
            assert_eq!(answers[0], answers[1]);
        }
    }
}

#[tokio::test]
async fn what_another_replica_registered_is_the_router_s_octet_for_octet() {
    let Some(database) = crate::support::fresh_postgres().await else {
        return;
    };
    let replica = async || TestServer::on(&database.url(), config()).await;
    let (server, other, elsewhere) = (replica().await, replica().await, replica().await);
    let cert_id = KNOWN.trim_start_matches("/renewal-info/");
    elsewhere.register(cert_id, NOW, NOW + (90 * DAY - 1)).await;
    // Either asks the store, the one directly and the other by its router.
    let start = format!("GET {KNOWN}");
    let [direct, _] = both(&server, &start, "").await;
    let request = format!("{start} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let routed = format!("{request}content-length: 1\r\n\r\nx");
    let routed = plain(other.raw_octets(&routed).await);
    assert!(direct.starts_with("HTTP/1.1 200 OK\r\n"), "{direct}");
    assert_eq!(direct, routed);
}

#[tokio::test]
async fn a_new_version_is_in_every_answer_at_once() {
    let server = TestServer::start().await;
    let said = async || {
        let answer = server.get(KNOWN).await;
        answer.headers()["server"].to_str().unwrap().to_owned()
    };
    let before = said().await;
    let mut config = config();
    config.cas[0].slot_seconds = 1_800;
    let engine = std::sync::Arc::clone(&server.engine);
    engine.reconfigure(config).await.unwrap();
    let after = said().await;
    assert_ne!(before, after);
    assert_eq!(after, format!("offpeak/{}", server.engine.version()));
}

#[tokio::test]
async fn direct_answers_are_counted_as_the_router_s() {
    let server = TestServer::start().await;
    let count = async || -> u64 {
        let request = server.ask_admin(reqwest::Method::GET, "/metrics");
        let metrics = request.send().await.unwrap().text().await.unwrap();
        let series = "offpeak_http_requests_total{route=\"/renewal-info/{certid}\",\
                      method=\"HEAD\",status=\"404\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |count| count.parse().unwrap())
    };
    let before = count().await;
    both(&server, "HEAD /renewal-info/AQ.Aw", "").await;
    // Others' tests count in the same process.
    assert!(count().await >= before + 2);
}
