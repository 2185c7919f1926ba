//! Pebble, Let's Encrypt's ACME server for tests, as an upstream.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{Certificate, CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::tools::tool;

/// Far longer than it takes; only a hang waits for it.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A Pebble on ports of its own that takes every challenge for passed; killed when it is dropped.
pub(crate) struct Pebble {
    /// The URL of its directory.
    pub(crate) directory: String,
    /// The certificate that it shows, in PEM: its own root.
    pub(crate) certificate: PathBuf,
    program: PathBuf,
    environment: &'static [(&'static str, &'static str)],
    address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Pebble {
    /// Starts one; `None`, said aloud, where there is no Pebble here.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(5002, &[("PEBBLE_VA_ALWAYS_VALID", "1")])
    }

    /// One that looks for http-01 challenges at this port, and takes none for passed.
    pub(crate) fn validating(http_port: u16) -> Option<Self> {
        Self::start_with(http_port, &[])
    }

    fn start_with(
        http_port: u16,
        environment: &'static [(&'static str, &'static str)],
    ) -> Option<Self> {
        let program = tool("OFFPEAK_TEST_PEBBLE")?;
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = self_signed(folder.path(), "pebble");
        // Two free ports, for a moment: Pebble tells of none that it picks itself.
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [acme, management] = ports.map(|port| port.local_addr().unwrap());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": acme, "managementListenAddress": management,
            "certificate": certificate, "privateKey": key,
            "httpPort": http_port, "tlsPort": 5001, "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let path = folder.path().join("pebble.json");
        std::fs::write(&path, config.to_string()).unwrap();
        Some(Self {
            directory: format!("https://{acme}/dir"),
            certificate,
            child: run(&program, folder.path(), acme, environment),
            environment,
            program,
            address: acme,
            folder,
        })
    }

    /// Starts it once more at the same address after it was killed; it has forgotten everything.
    pub(crate) fn revive(&mut self) {
        self.child = run(
            &self.program,
            self.folder.path(),
            self.address,
            self.environment,
        );
    }

    /// Stops it for good, as a crash does.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; either way it is gone after the wait.
        let _ = self.child.kill();
        self.child.wait().expect("it was started here");
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs the Pebble that a folder has the configuration of, until it listens.
fn run(program: &Path, folder: &Path, address: SocketAddr, environment: &[(&str, &str)]) -> Child {
    let log = folder.join("log");
    let child = Command::new(program)
        .arg("-config")
        .arg(folder.join("pebble.json"))
        .envs(environment.iter().copied())
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_WFE_NONCEREJECT", "0")
        .stdin(Stdio::null())
        .stdout(File::create(&log).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .expect("Pebble starts");
    let deadline = Instant::now() + READY_WITHIN;
    while std::net::TcpStream::connect(address).is_err() {
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(Instant::now() < deadline, "Pebble is not ready: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

/// A certificate for this machine that is its own root, and its key, as files in a folder.
pub(crate) fn self_signed(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let names = ["127.0.0.1", "localhost"].map(str::to_owned);
    let certificate: Certificate = CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let files = [("pem", certificate.pem()), ("key", key.serialize_pem())];
    let [certificate, key] = files.map(|(extension, text)| {
        let path = folder.join(format!("{name}.{extension}"));
        std::fs::write(&path, text).unwrap();
        path
    });
    (certificate, key)
}
