//! A real fake-gcs-server, which speaks Google's object storage.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::process::offpeak;

/// It starts in a moment; a machine that is busy gets a minute.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// It takes no port 0. Below 32,768 the system gives no port to a connection that goes out; one of
/// these is tried after the other.
const PORTS: std::ops::Range<u32> = 20_000..32_000;
/// As many tries find a port that nobody has.
const TRIES: u32 = 20;
/// A tree has some tens of kilobytes.
const MOST_OCTETS: usize = 1 << 20;

/// A server with the bucket `tree`, that all may read and write.
#[derive(Debug)]
pub(crate) struct Gcs {
    child: Child,
    /// Where objects are by the path `/BUCKET/OBJECT`: `http://…`.
    pub(crate) url: String,
    folder: tempfile::TempDir,
    before: JoinHandle<()>,
}

impl Gcs {
    pub(crate) async fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::builder().no_proxy().build().unwrap();
        for attempt in 0..TRIES {
            let port =
                PORTS.start + (std::process::id() * 7 + attempt * 611) % (PORTS.end - PORTS.start);
            let address = format!("127.0.0.1:{port}");
            let mut child = Command::new(program)
                .args([
                    "-backend",
                    "memory",
                    "-scheme",
                    "http",
                    "-host",
                    "127.0.0.1",
                ])
                .args(["-port", &port.to_string(), "-public-host", &address])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            if has_made_bucket(&mut child, &client, &address).await {
                let (url, before) = stand_before(client, address).await;
                let server = Self {
                    child,
                    url,
                    folder,
                    before,
                };
                server.write_key();
                return server;
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("fake-gcs-server finds no port that is free");
    }

    /// `offpeak publish --out gs://tree/ari`, with the database `db` in this folder.
    pub(crate) fn publish(&self, folder: &Path) -> Command {
        let mut command = offpeak();
        let database = format!("sqlite:{}", folder.join("db").display());
        command
            .args(["publish", "--out", "gs://tree/ari"])
            .env("OFFPEAK_DATABASE", database)
            .env(
                "GOOGLE_SERVICE_ACCOUNT",
                self.folder.path().join("key.json"),
            )
            .env("no_proxy", "127.0.0.1");
        command
    }

    /// Every request is answered with 502 from now on.
    pub(crate) fn break_down(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Nobody takes a connection any more.
    pub(crate) async fn go_away(&mut self) {
        self.before.abort();
        let _ = (&mut self.before).await;
    }

    /// The file of a service account that asks nobody for a token.
    fn write_key(&self) {
        let key = json!({
            "gcs_base_url": self.url, "disable_oauth": true,
            "client_email": "", "private_key": "", "private_key_id": "",
        });
        std::fs::write(self.folder.path().join("key.json"), key.to_string()).unwrap();
    }
}

impl Drop for Gcs {
    fn drop(&mut self) {
        self.break_down();
        self.before.abort();
    }
}

/// Whether it serves there and has a new bucket; not where it ended, or where somebody else serves.
async fn has_made_bucket(child: &mut Child, client: &Client, address: &str) -> bool {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        let made = client
            .post(format!("http://{address}/storage/v1/b?project=tests"))
            .json(&json!({ "name": "tree" }))
            .timeout(STARTS_WITHIN)
            .send()
            .await;
        if let Ok(answer) = made {
            return answer.status().is_success();
        }
        assert!(
            begun.elapsed() < STARTS_WITHIN,
            "fake-gcs-server does not start"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

/// Speaks what Google does and fake-gcs-server does not: it takes a PUT of an object only as one with
/// a signed URL, whose signature it does not look at, and tells no `ETag` then. The rest passes.
async fn stand_before(client: Client, address: String) -> (String, JoinHandle<()>) {
    let pass = async move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let is_put = method == Method::PUT;
        let more = if is_put { "?X-Goog-Algorithm=none" } else { "" };
        let mut request = client.request(method, format!("http://{address}{uri}{more}"));
        for (name, value) in &headers {
            if *name != header::HOST && *name != header::CONTENT_LENGTH {
                request = request.header(name, value);
            }
        }
        let answer = request
            .body(body)
            .send()
            .await
            .map_err(|_| StatusCode::BAD_GATEWAY)?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        if is_put {
            response = response.header(header::ETAG, "\"written\"");
        }
        let bytes = answer.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        Ok::<_, StatusCode>(response.body(Body::from(bytes)).unwrap())
    };
    let router = Router::new()
        .fallback(pass)
        .layer(axum::extract::DefaultBodyLimit::max(MOST_OCTETS));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        axum::serve(listener, router).await.unwrap();
    });
    (url, serving)
}
