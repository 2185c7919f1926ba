//! Unix sockets, sockets that systemd passes, and what a connection may send.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use axum::Router;
use axum::routing::get;
use offpeak::wire::{Limits, Listener, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use crate::process::{Server, offpeak};
use crate::support::fresh_sqlite;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn address(path: &Path) -> String {
    format!("unix:{}", path.display())
}

#[tokio::test]
async fn a_unix_socket_serves_and_its_file_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("offpeak.sock");
    // One that was killed leaves its file.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = Listener::bind(&address(&path)).await.unwrap();
    assert_eq!(listener.url().unwrap(), address(&path));
    assert_eq!(listener.base_url().unwrap(), "http://localhost");
    // One that is in use is left alone.
    let taken = Listener::bind(&address(&path)).await.unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(
        listener,
        hello(),
        async {
            let _ = stopped.await;
        },
        Limits::PUBLIC,
    ));
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(GET).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
    stop.send(()).unwrap();
    server.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    let refused = Listener::bind(&address(&path)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

/// Starts `serve` with a listening socket as descriptor 3, as systemd passes it.
fn passed(database: &str, listener: TcpListener, names: &str) -> Server {
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OFFPEAK_") {
            command.env_remove(name);
        }
    }
    command
        .args([
            "-c",
            "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\" 3<&0",
            "sh",
        ])
        .arg(offpeak().get_program())
        .args(["serve", "--database", database])
        .env("LISTEN_FDNAMES", names);
    Server::start_with_stdin(&mut command, Stdio::from(OwnedFd::from(listener)))
}

#[tokio::test]
async fn sockets_that_systemd_passes_take_their_places() {
    for (names, is_public) in [("", true), ("public", true), ("admin", false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let database = fresh_sqlite();
        let server = passed(&database.url(), listener, names);
        assert_eq!(server.api.public == url, is_public, "{names:?}");
        assert_eq!(server.api.admin == url, !is_public, "{names:?}");
        assert!(server.api.get("/directory").await.status().is_success());
        assert!(server.api.admin_get("/readyz").await.status().is_success());
    }
}

#[tokio::test]
async fn ipv6_literals_are_addresses() {
    let Ok(listener) = Listener::bind("[::1]:0").await else {
        // A machine without IPv6 has nothing to show here.
        return;
    };
    let url = listener.url().unwrap();
    assert!(url.starts_with("http://[::1]:"), "{url}");
    tokio::spawn(serve(
        listener,
        hello(),
        std::future::pending::<()>(),
        Limits::PUBLIC,
    ));
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello");
}

async fn connected() -> TcpStream {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = listener.url().unwrap();
    tokio::spawn(serve(
        listener,
        hello(),
        std::future::pending::<()>(),
        Limits::PUBLIC,
    ));
    let address = url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

async fn to_the_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // What the kernel says of the end does not matter.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_their_order() {
    let mut stream = connected().await;
    let kept = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let other = "GET /other HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let all = [kept, other, &kept.repeat(20), last].concat();
    stream.write_all(all.as_bytes()).await.unwrap();
    let answers = to_the_end(stream).await;
    let statuses: Vec<&str> = answers
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    assert_eq!(statuses.len(), 23, "{answers}");
    assert_eq!(statuses[1], "404");
    assert_eq!(
        statuses.iter().filter(|status| **status == "200").count(),
        22
    );
    assert_eq!(answers.matches("\r\n\r\nhello").count(), 21);
    assert!(answers.ends_with("\r\n\r\n"), "{answers}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    for head in [
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
            "y".repeat(70_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
            "x: y\r\n".repeat(200)
        ),
    ] {
        let mut stream = connected().await;
        // It may be refused before the last octet is sent.
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = to_the_end(stream).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431 ");
        assert!(refused, "{answer}");
    }
    let mut stream = connected().await;
    let path = format!(
        "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "y".repeat(8_000)
    );
    stream.write_all(path.as_bytes()).await.unwrap();
    assert!(to_the_end(stream).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn http2_refuses_a_head_that_is_too_long() {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let url = listener.url().unwrap();
    tokio::spawn(serve(
        listener,
        hello(),
        std::future::pending::<()>(),
        Limits::PUBLIC,
    ));
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy();
    let client = client.build().unwrap();
    let request = client.get(&url).header("x", "y".repeat(20_000));
    match request.send().await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(!error.is_connect(), "{error:?}"),
    }
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    assert_eq!(answer.text().await.unwrap(), "hello");
}
