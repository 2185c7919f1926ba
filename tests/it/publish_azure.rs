//! `offpeak publish --out az://…`: against Azurite, which speaks Azure's blob storage.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::process::offpeak;
use crate::tools::{free_ports, output_text, run, tool};

/// The account that each Azurite has, and its key, which stand in its documentation.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// It starts in seconds; a machine that is busy gets a minute.
const STARTS_WITHIN: Duration = Duration::from_mins(1);

/// A server with a container that all may read.
struct Azurite {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Azurite {
    fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let child = Command::new(program)
            .args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"])
            .arg("--location")
            .arg(folder.path())
            .args(["--blobPort", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            url: format!("http://127.0.0.1:{port}/{ACCOUNT}"),
            _folder: folder,
        };
        let begun = Instant::now();
        loop {
            let made = server.made_container();
            if made.status.success() {
                break;
            }
            assert!(begun.elapsed() < STARTS_WITHIN, "{}", output_text(&made));
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn made_container(&self) -> Output {
        Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/python/azure_container.py"
            ))
            .args([&self.url, "tree", KEY])
            .output()
            .unwrap()
    }

    fn publish(&self, folder: &Path, more: &[&str]) -> String {
        let database = format!("sqlite:{}", folder.join("db").display());
        run(offpeak()
            .args(["publish", "--out", "az://tree/some"])
            .args(more)
            .env("OFFPEAK_DATABASE", database)
            .env("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
            .env("AZURE_STORAGE_ACCOUNT_KEY", KEY)
            .env("AZURE_STORAGE_ENDPOINT", &self.url)
            .env("AZURE_ALLOW_HTTP", "true")
            .env("no_proxy", "127.0.0.1"))
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tree_is_published_to_azure_with_its_types_and_cache_policies_and_verified_from_there() {
    let Some(azurite) = tool("OFFPEAK_TEST_AZURITE") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Azurite::start(&azurite);
    server.publish(folder.path(), &["--now"]);
    // Again, nothing is to be written.
    let again = server.publish(folder.path(), &[]);
    assert!(again.contains(" 0 files written"), "{again}");
    let tree = format!("{}/tree/some", server.url);
    let text = run(offpeak()
        .args(["verify", &tree])
        .env("no_proxy", "127.0.0.1"));
    assert!(
        text.lines().all(|line| line.ends_with("\tok")) && text.contains("ranking.json"),
        "{text}"
    );
    let headers = run(Command::new("curl")
        .args(["-sfI", "--noproxy", "*"])
        .arg(format!("{tree}/ranking.json")))
    .to_lowercase();
    for want in [
        "content-type: application/json",
        "cache-control: public, max-age=300, s-maxage=3600",
    ] {
        assert!(headers.contains(want), "{headers}");
    }
}
