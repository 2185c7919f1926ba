//! A real nginx, with the configurations that the documentation gives.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::issuance::TestCa;
use crate::tools::run;

const READY_WITHIN: Duration = Duration::from_secs(20);

/// An nginx that listens on a socket file, which no other test can have taken; killed when this is
/// dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    dir: TempDir,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Nginx {
    /// Serves `site`, in which `listen 443` and `/etc/ssl` are replaced, with a certificate for
    /// this host name.
    pub(crate) fn serve(program: &Path, host: &str, site: &str) -> Self {
        Self::start(Command::new(program), host, site)
    }

    /// The same by a clock that is so many seconds ahead.
    pub(crate) fn serve_later(
        program: &Path,
        faketime: &Path,
        seconds: i64,
        host: &str,
        site: &str,
    ) -> Self {
        let mut command = Command::new(faketime);
        command.args(["-f", &format!("+{seconds}s")]).arg(program);
        Self::start(command, host, site)
    }

    fn start(mut command: Command, host: &str, site: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| dir.path().join(name);
        let ca = TestCa::new();
        let (certificate, key) = ca.issue(host, &[1]);
        write(&at("ca.pem"), &ca.certificate.pem());
        write(&at(&format!("{host}.pem")), &certificate.pem());
        write(&at(&format!("{host}.key")), &key.serialize_pem());
        let site = replaced(
            site,
            "listen 443",
            &format!("listen unix:{}", at("socket").display()),
        );
        let site = replaced(&site, "/etc/ssl", &dir.path().display().to_string());
        write(&at("nginx.conf"), &surrounded(&site));
        let child = command
            .arg("-c")
            .arg(at("nginx.conf"))
            .arg("-p")
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Self { child, dir };
        nginx.wait_until_ready();
        nginx
    }

    /// GETs a URL from it, by HTTPS with the certificate checked.
    pub(crate) fn get(&self, url: &str, accept_encoding: &str) -> Answer {
        self.get_with(
            url,
            &["--header", &format!("Accept-Encoding: {accept_encoding}")],
        )
    }

    /// The same with these arguments of curl.
    pub(crate) fn get_with(&self, url: &str, more: &[&str]) -> Answer {
        let text = run(Command::new("curl")
            .args(["--silent", "--show-error", "--include", "--max-time", "20"])
            .args(["--path-as-is", "--noproxy", "*"])
            .arg("--cacert")
            .arg(self.dir.path().join("ca.pem"))
            .arg("--unix-socket")
            .arg(self.dir.path().join("socket"))
            .args(more)
            .arg(url));
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        Answer {
            status: status.and_then(|text| text.parse().ok()).expect("a status"),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        }
    }

    fn wait_until_ready(&mut self) {
        let socket = self.dir.path().join("socket");
        let deadline = Instant::now() + READY_WITHIN;
        while UnixStream::connect(&socket).is_err() {
            let ended = self.child.try_wait().expect("it was started here");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "nginx is not ready: {}",
                std::fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // With `master_process off` this one process is all of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text of the documentation with an example in it replaced; it has to be there.
pub(crate) fn replaced(text: &str, example: &str, by: &str) -> String {
    assert!(text.contains(example), "{example} is not in:\n{text}");
    text.replace(example, by)
}

/// The whole configuration of an nginx that leaves the machine's own alone.
fn surrounded(site: &str) -> String {
    let temporary: Vec<String> = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {kind};"))
        .collect();
    format!(
        "daemon off; master_process off; user root; pid nginx.pid; error_log error.log;\n\
         events {{}}\n\
         http {{\naccess_log off; {}\n{site}\n}}\n",
        temporary.join(" ")
    )
}

fn write(path: &PathBuf, text: &str) {
    std::fs::write(path, text).expect("the file is written");
}
