//! The real program, started as an operator starts it.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use serde_json::Value;
use tempfile::TempDir;

/// Opens every route of the admin listener.
const ADMIN_TOKEN: &str = "the-token-of-the-tests";
/// A debug build that migrates an empty PostgreSQL beside a full test run takes a few seconds.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// A command of the program, with nothing of the caller's environment that configures it.
pub(crate) fn offpeak() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offpeak"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OFFPEAK_") {
            command.env_remove(name);
        }
    }
    command
}

/// `offpeak serve` on ports of its own; killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// How to talk to it.
    pub(crate) api: Api,
    child: Child,
    log: TempDir,
    /// What it prints once it is ready.
    lines: Mutex<mpsc::Receiver<String>>,
}

/// A client of a server's two listeners, which may outlive the server.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    /// The public listener: `http://…`, no trailing slash.
    pub(crate) public: String,
    /// The admin listener.
    pub(crate) admin: String,
    client: Client,
}

impl Server {
    /// Serves this database with the configuration that no file gives; returns once it is ready.
    pub(crate) fn on(database_url: &str) -> Self {
        Self::start(offpeak().args(["serve", "--database", database_url]))
    }

    /// Starts this `serve` and waits until it has printed where it listens.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_stdin(command, Stdio::null())
    }

    /// The same with this as its standard input.
    pub(crate) fn start_with_stdin(command: &mut Command, stdin: Stdio) -> Self {
        let log = tempfile::tempdir().expect("a temporary directory");
        let log_path = log.path().join("stderr");
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .env("OFFPEAK_ADMIN_TOKEN", ADMIN_TOKEN)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(File::create(&log_path).expect("the log is created"))
            .spawn()
            .expect("offpeak starts");
        let lines = lines_of(&mut child);
        let (mut public, mut admin) = (None, None);
        let deadline = Instant::now() + READY_WITHIN;
        while public.is_none() || admin.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = lines.recv_timeout(left) else {
                // It has ended or hangs; either way it is gone after this.
                let _ = child.kill();
                let status = child.wait();
                panic!("offpeak is not ready: {status:?} {}", read(&log_path));
            };
            if let Some(url) = line.strip_prefix("public ") {
                public = Some(url.to_owned());
            } else if let Some(url) = line.strip_prefix("admin ") {
                admin = Some(url.to_owned());
            }
        }
        Self {
            api: Api {
                public: public.expect("it is there"),
                admin: admin.expect("it is there"),
                client: Client::builder()
                    .no_proxy()
                    .no_gzip()
                    .build()
                    .expect("a client"),
            },
            child,
            log,
            lines: Mutex::new(lines),
        }
    }

    /// The URL of the next gateway's directory, as it prints it.
    pub(crate) fn gateway(&self) -> String {
        let lines = self.lines.lock().expect("no test panicked with it");
        loop {
            let line = lines.recv_timeout(READY_WITHIN).expect("a gateway's line");
            if let Some(directory) = line.strip_prefix("gateway ") {
                return directory.to_owned();
            }
        }
    }

    /// Has a new publication made.
    pub(crate) async fn publish(&self) {
        let made = self
            .api
            .client
            .post(format!("{}/v1/publish", self.api.admin))
            .bearer_auth(ADMIN_TOKEN)
            .send()
            .await
            .expect("offpeak answers");
        assert!(made.status().is_success(), "{made:?}");
    }

    /// Sends it a signal by name, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.expect("a shell").success(), "{kill}");
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has logged this event, and gives the line.
    pub(crate) fn logged(&self, event: &str) -> String {
        let event = format!("\"event\":\"{event}\"");
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let log = self.log();
            if let Some(line) = log.lines().find(|line| line.contains(&event)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "no {event} in {log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The most memory that it has had resident so far.
    pub(crate) fn most_resident_octets(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        1_024
            * kib
                .expect("it runs")
                .trim()
                .parse::<u64>()
                .expect("a number")
    }

    /// How it has ended; `None` while it runs.
    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("offpeak was started here")
    }

    /// What it has logged, and said where it ended with an error.
    pub(crate) fn log(&self) -> String {
        read(&self.log.path().join("stderr"))
    }

    /// How it ended after it was told to.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("offpeak was started here")
    }

    /// Ends it as a power failure would: SIGKILL.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        self.child.wait().expect("offpeak was started here");
    }
}

impl Api {
    /// GETs a path of the public listener.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.public))
            .send()
            .await
            .expect("offpeak answers")
    }

    /// GETs a path of the admin listener.
    pub(crate) async fn admin_get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.admin))
            .bearer_auth(ADMIN_TOKEN)
            .send()
            .await
            .expect("offpeak answers")
    }

    /// POSTs nothing to a path of the admin listener.
    pub(crate) async fn admin_post(&self, path: &str) -> Response {
        self.client
            .post(format!("{}{path}", self.admin))
            .bearer_auth(ADMIN_TOKEN)
            .send()
            .await
            .expect("offpeak answers")
    }

    /// POSTs NDJSON to the admin listener; an error where the process is gone.
    pub(crate) async fn post_ndjson(&self, path: &str, body: String) -> reqwest::Result<Value> {
        let response = self.send_ndjson(path, body).await?;
        let status = response.status();
        let text = response.text().await?;
        assert!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).expect("the report is JSON"))
    }

    /// The same, with whatever answer comes.
    pub(crate) async fn send_ndjson(&self, path: &str, body: String) -> reqwest::Result<Response> {
        self.send(path, "application/x-ndjson", body).await
    }

    /// POSTs a body to the admin listener.
    pub(crate) async fn send(
        &self,
        path: &str,
        media_type: &str,
        body: String,
    ) -> reqwest::Result<Response> {
        self.client
            .post(format!("{}{path}", self.admin))
            .bearer_auth(ADMIN_TOKEN)
            .header(CONTENT_TYPE, media_type)
            .body(body)
            .send()
            .await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lines that it prints, read to the end so that it never waits for us.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let stdout = child.stdout.take().expect("standard output is piped");
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Nobody listens any more once the server is ready.
            let _ = sender.send(line);
        }
    });
    lines
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("the log is there")
}
