//! nginx, to be compared with: the same headers and as long a body, or the same file.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::http::Page;
use super::process::READY_WITHIN;
use super::process::{Core, Process, on};

/// What nginx writes itself.
const ITS_OWN: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "date",
    "last-modified",
    "server",
    "transfer-encoding",
];

/// How nginx runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Processes {
    /// As usual: a master and one worker.
    MasterAndWorker,
    /// One alone, as a profiler wants it.
    One,
}

/// A running nginx.
#[derive(Debug)]
pub(super) struct Nginx {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
}

impl Nginx {
    /// Starts one that says `site` at `address`; `command` is what runs nginx.
    pub(super) fn start(
        command: Command,
        folder: &Path,
        processes: Processes,
        address: SocketAddr,
        site: &str,
    ) -> anyhow::Result<Self> {
        let server = format!("server {{\nlisten {address};\n{site}}}");
        Self::run(command, folder, address, &configuration(processes, &server))
    }

    /// Starts one that speaks TLS at `address` and asks `upstream` by HTTP on connections that it keeps, as
    /// many as it is asked on at once.
    pub(super) fn proxy(
        folder: &Path,
        address: SocketAddr,
        upstream: SocketAddr,
        certificate: &Path,
        key: &Path,
    ) -> anyhow::Result<Self> {
        let server = format!(
            "upstream behind {{ server {upstream}; keepalive 256; }}\n\
             server {{\nlisten {address} ssl;\nssl_certificate {};\nssl_certificate_key {};\n\
             location / {{\nproxy_pass http://behind;\nproxy_http_version 1.1;\n\
             proxy_set_header Connection \"\";\nproxy_set_header Host $http_host;\n\
             proxy_set_header X-Forwarded-For $remote_addr;\n\
             proxy_set_header X-Forwarded-Proto https;\n}}\n}}",
            certificate.display(),
            key.display(),
        );
        let text = configuration(Processes::MasterAndWorker, &server);
        Self::run(program(), folder, address, &text)
    }

    fn run(
        mut command: Command,
        folder: &Path,
        address: SocketAddr,
        configuration: &str,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration)?;
        command.arg("-c").arg(&file).arg("-p").arg(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::start("nginx", &mut command)?;
        let deadline = Instant::now() + READY_WITHIN;
        while std::net::TcpStream::connect(address).is_err() {
            if !process.is_running()? || Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
                bail!("nginx is not ready: {log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { process, address })
    }
}

/// nginx on the server's core.
pub(super) fn program() -> Command {
    on(Core::Server, &path())
}

/// Where nginx is: Debian keeps it out of most users' PATH.
pub(super) fn path() -> String {
    std::env::var("OFFPEAK_BENCH_NGINX").unwrap_or_else(|_| "nginx".to_owned())
}

/// Answers everything with the page, from the configuration.
pub(super) fn returning(page: &Page) -> String {
    let mut text = String::from("location / {\n");
    write_headers(&mut text, page);
    let body = String::from_utf8_lossy(&page.body).replace('\'', "\\'");
    let _ = write!(text, "return 200 '{body}';\n}}\n");
    text
}

/// Answers with the page from a file in `folder`, kept open.
pub(super) fn filing(page: &Page, folder: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(folder)?;
    let file = folder.join("page");
    fs::write(&file, &page.body)?;
    if let Some(modified) = page.header("last-modified") {
        // So that this header is the same as well.
        let status = Command::new("touch")
            .args(["--date", modified])
            .arg(&file)
            .status()
            .context("cannot run touch")?;
        if !status.success() {
            bail!("touch ended with {status}");
        }
    }
    let mut text = format!(
        "open_file_cache max=16 inactive=1h; open_file_cache_valid 1h; sendfile on; tcp_nopush on;\n\
         etag off;\nlocation / {{\nroot {};\n",
        folder.display()
    );
    write_headers(&mut text, page);
    text.push_str("try_files /page =404;\n}\n");
    Ok(text)
}

fn write_headers(text: &mut String, page: &Page) {
    let kind = page.header("content-type").unwrap_or("application/json");
    let _ = write!(text, "types {{ }}\ndefault_type {kind};\n");
    for (name, value) in &page.headers {
        if !ITS_OWN.contains(&name.to_ascii_lowercase().as_str()) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            let _ = writeln!(text, "add_header {name} \"{value}\";");
        }
    }
}

fn configuration(processes: Processes, server: &str) -> String {
    let processes = match processes {
        Processes::MasterAndWorker => "worker_processes 1;",
        Processes::One => "master_process off;",
    };
    let temporary = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .map(|kind| format!("{kind}_temp_path {kind};"))
        .join(" ");
    // A connection lasts as long as the run: both serve on connections that are kept.
    format!(
        "daemon off; {processes} user root; pid nginx.pid; error_log error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\naccess_log off; server_tokens off; {temporary}\n\
         keepalive_requests 1000000000; keepalive_timeout 1h;\n\
         {server}\n}}\n"
    )
}
