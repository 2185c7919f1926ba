//! `offpeak publish --out s3://…`: against `SeaweedFS`, which speaks S3.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::process::offpeak;
use crate::tools::{free_ports, output_text, run, tool};

/// A server with a bucket that all may read.
pub(crate) struct Seaweed {
    child: Child,
    url: String,
    folder: tempfile::TempDir,
}

const IDENTITIES: &str = r#"{"identities":[
    {"name":"operator","credentials":[{"accessKey":"key","secretKey":"secret"}],
     "actions":["Admin","Read","Write","List"]},
    {"name":"anonymous","actions":["Read"]}]}"#;

/// It starts in seconds; a machine that is busy gets three minutes.
const STARTS_WITHIN: Duration = Duration::from_mins(3);

impl Seaweed {
    /// It takes no port 0, and ends where somebody else has one of its eight: then others are tried.
    pub(crate) fn start(program: &Path) -> Self {
        let begun = Instant::now();
        let mut server = Self::run(program);
        while !server.made_bucket() {
            assert!(
                begun.elapsed() < STARTS_WITHIN,
                "SeaweedFS does not start: {}",
                server.log()
            );
            if server.child.try_wait().unwrap().is_some() {
                println!("SeaweedFS ended: {}", server.log());
                server = Self::run(program);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn run(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identities = folder.path().join("s3.json");
        fs::write(&identities, IDENTITIES).unwrap();
        let free: [u16; 8] = free_ports();
        let names = ["master", "volume", "filer", "s3"];
        let ports: Vec<String> = (0..)
            .zip(names)
            .flat_map(|(at, name)| {
                let (http, grpc) = (free[2 * at], free[2 * at + 1]);
                [
                    format!("-{name}.port={http}"),
                    format!("-{name}.port.grpc={grpc}"),
                ]
            })
            .collect();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        // What it takes itself, it takes from a disk that is nearly full too.
        let child = Command::new(program)
            .args(["-logtostderr=true", "server"])
            .arg(format!("-dir={}", folder.path().display()))
            .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .args(["-volume.max=3", "-master.volumeSizeLimitMB=64"])
            .arg("-volume.minFreeSpace=10MiB")
            .arg(format!("-s3.config={}", identities.display()))
            .args(ports)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            child,
            url: format!("http://127.0.0.1:{}", free[6]),
            folder,
        }
    }

    /// The end of what it said.
    fn log(&self) -> String {
        let log = fs::read(self.folder.path().join("log")).unwrap();
        String::from_utf8_lossy(&log[log.len().saturating_sub(4_000)..]).into_owned()
    }

    /// Whether the bucket is there: where an answer was lost, the next request is told 409.
    fn made_bucket(&self) -> bool {
        let made = Command::new("curl")
            .args(["-s", "--max-time", "20", "--noproxy", "*", "-X", "PUT"])
            .args([
                "--aws-sigv4",
                "aws:amz:us-east-1:s3",
                "--user",
                "key:secret",
            ])
            .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
            .arg(format!("{}/bucket", self.url))
            .output()
            .unwrap();
        [b"200", b"409"].contains(&made.stdout.first_chunk().unwrap_or(b"000"))
    }

    /// How it is reached, and by whom.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT", &self.url),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    fn publish(&self, folder: &Path, more: &[&str]) -> Output {
        offpeak()
            .args(["publish", "--out", "s3://bucket/some/tree", "--sign-with"])
            .arg(folder.join("key.sec"))
            .args(more)
            .env(
                "OFFPEAK_DATABASE",
                format!("sqlite:{}", folder.join("db").display()),
            )
            .envs(self.variables())
            .env("no_proxy", "127.0.0.1")
            .output()
            .unwrap()
    }
}

impl Drop for Seaweed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tree_is_published_to_s3_with_its_types_and_cache_policies_and_verified_from_there() {
    let Some(weed) = tool("OFFPEAK_TEST_SEAWEEDFS") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    fs::write(
        folder.path().join("key.sec"),
        pair.sk.to_box(None).unwrap().to_string(),
    )
    .unwrap();
    let server = Seaweed::start(&weed);
    let output = server.publish(folder.path(), &["--now"]);
    assert!(
        output.status.success(),
        "{}\n{}",
        output_text(&output),
        server.log()
    );
    // Again, nothing is to be written.
    let output = server.publish(folder.path(), &[]);
    assert!(
        output_text(&output).contains(" 0 files written"),
        "{}",
        output_text(&output)
    );
    let tree = format!("{}/bucket/some/tree", server.url);
    let mut command = offpeak();
    command
        .args(["verify", &tree, "--key", &pair.pk.to_base64()])
        .env("no_proxy", "127.0.0.1");
    let text = run(&mut command);
    assert!(
        text.lines().all(|line| line.ends_with("\tok")) && text.contains("ranking.json"),
        "{text}"
    );
    let headers = run(Command::new("curl")
        .args(["-sfI", "--noproxy", "*"])
        .arg(format!("{tree}/ranking.json")))
    .to_lowercase();
    assert!(
        headers.contains("content-type: application/json"),
        "{headers}"
    );
    assert!(
        headers.contains("cache-control: public, max-age=300, s-maxage=3600"),
        "{headers}"
    );
    let copy = text.lines().find_map(|line| {
        line.strip_suffix("\tok")
            .filter(|path| path.starts_with("r/"))
    });
    let headers = run(Command::new("curl")
        .args(["-sfI", "--noproxy", "*"])
        .arg(format!("{tree}/{}", copy.unwrap())))
    .to_lowercase();
    assert!(headers.contains("immutable"), "{headers}");

    in_gzip_for_all_who_read_it(&server, folder.path(), &tree, &pair.pk.to_base64());
    without_a_key_no_signature_stays(&server, folder.path(), &tree);
}

/// Sums and signatures stay as they are.
fn in_gzip_for_all_who_read_it(server: &Seaweed, folder: &Path, tree: &str, key: &str) {
    let output = server.publish(folder, &["--gzip"]);
    assert!(output.status.success(), "{}", output_text(&output));
    let again = server.publish(folder, &["--gzip"]);
    assert!(
        output_text(&again).contains(" 0 files written"),
        "{}",
        output_text(&again)
    );
    for (path, packed) in [
        ("ranking.json", true),
        ("index.html", true),
        ("ranking.json.minisig", false),
        ("SHA256SUMS", false),
    ] {
        let url = format!("{tree}/{path}");
        let headers = run(Command::new("curl").args(["-sfI", "--noproxy", "*", &url]));
        let headers = headers.to_lowercase();
        assert_eq!(
            headers.contains("content-encoding: gzip"),
            packed,
            "{path}: {headers}"
        );
    }
    let read = run(Command::new("curl")
        .args(["-sf", "--compressed", "--noproxy", "*"])
        .arg(format!("{tree}/ranking.json")));
    assert!(read.starts_with("{\"schemaVersion\""), "{read}");
    let mut command = offpeak();
    command
        .args(["verify", tree, "--key", key])
        .env("no_proxy", "127.0.0.1");
    let text = run(&mut command);
    assert!(text.lines().all(|line| line.ends_with("\tok")), "{text}");
}

fn without_a_key_no_signature_stays(server: &Seaweed, folder: &Path, tree: &str) {
    let unsigned = |more: &[&str]| {
        let mut command = offpeak();
        command
            .args(["publish", "--out", "s3://bucket/some/tree"])
            .args(more);
        let database = format!("sqlite:{}", folder.join("db").display());
        command.env("OFFPEAK_DATABASE", database);
        run(command
            .envs(server.variables())
            .env("no_proxy", "127.0.0.1"))
    };
    let text = unsigned(&["--now"]);
    assert!(text.contains(" signatures removed"), "{text}");
    assert!(!unsigned(&[]).contains("removed"));
    for path in [
        "ranking.json.minisig",
        "SHA256SUMS.minisig",
        "index.html.minisig",
    ] {
        let gone = Command::new("curl")
            .args([
                "-s",
                "--noproxy",
                "*",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
            ])
            .arg(format!("{tree}/{path}"))
            .output();
        assert_eq!(gone.unwrap().stdout, b"404", "{path}");
    }
}

#[test]
fn a_bucket_without_credentials_is_refused_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let publish = |variables: &[(&str, &str)]| {
        let database = format!("sqlite:{}", folder.path().join("db").display());
        let mut command = offpeak();
        command.args(["publish", "--now", "--out", "s3://bucket/tree"]);
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        // Nobody answers where a machine's role would be told.
        let nobody = [
            ("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1"),
            ("AWS_REGION", "us-east-1"),
            ("no_proxy", "*"),
        ];
        command.env("OFFPEAK_DATABASE", database).envs(nobody);
        let begun = Instant::now();
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{:?}",
            begun.elapsed()
        );
        output_text(&output)
    };
    let said = publish(&[]);
    let want = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set";
    assert!(said.contains(want), "{said}");
    let said = publish(&[("AWS_ACCESS_KEY_ID", "key")]);
    let want = "cannot reach s3://bucket/tree: AWS_SECRET_ACCESS_KEY is not set";
    assert!(said.contains(want), "{said}");
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = offpeak()
        .args(["publish", "--now", "--out", "s3:///"])
        .env(
            "OFFPEAK_DATABASE",
            format!("sqlite:{}", folder.path().join("db").display()),
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output_text(&output).contains("cannot reach s3:///"),
        "{}",
        output_text(&output)
    );
}
