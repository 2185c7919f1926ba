//! acme2certifier, with its handler for a CA of openssl's, as an upstream.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use instant_acme::{CertificateIdentifier, NewOrder};
use tempfile::TempDir;

use super::acme::{Front, dns, first_der, issue, settled};
use crate::tools::tool;

const SCRIPT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/python/acme2certifier_server.py"
);

/// One that serves; killed when it is dropped.
pub(super) struct Acme2Certifier {
    /// The URL of its directory.
    pub(super) directory: String,
    child: Child,
    _folder: TempDir,
}

impl Acme2Certifier {
    /// Starts one; `None`, said aloud, where there is no Python for tests.
    pub(super) fn start() -> Option<Self> {
        let python = tool("OFFPEAK_TEST_PYTHON")?;
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut child = Command::new(python)
            .arg(SCRIPT)
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .expect("Python starts");
        // It prints to both, and a line of ours among them; the end comes where it dies.
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut lines = lines.lines().map_while(Result::ok);
        let directory = lines.find_map(|line| Some(line.strip_prefix("directory ")?.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        let directory = directory
            .unwrap_or_else(|| panic!("no server: {}", std::fs::read_to_string(&log).unwrap()));
        Some(Self {
            directory,
            child,
            _folder: folder,
        })
    }
}

impl Drop for Acme2Certifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acme2certifier_gets_windows_and_replaces() {
    let Some(upstream) = Acme2Certifier::start() else {
        return;
    };
    // It speaks HTTP, and takes the scheme of its URLs from X-Forwarded-Proto.
    let front = Front::before(&upstream.directory, "", None);
    let contact = ["mailto:ops@offpeak.example"];
    let account = front.account_of(&contact).await;
    let names = dns(&["a.example"]);
    let (chain, id) = issue(&account, &NewOrder::new(&names)).await;
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    // It ignores `replaces`; the gateway checks, reflects and remembers it.
    let der = first_der(&chain);
    let replaced = CertificateIdentifier::try_from(&der).unwrap();
    let new = NewOrder::new(&names).replaces(replaced);
    let (_, renewed) = issue(&account, &new).await;
    let explained = settled(&front, &id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed, "{explained}");
    let again = account.new_order(&new).await;
    assert!(again.is_err(), "it has been replaced already");
}
