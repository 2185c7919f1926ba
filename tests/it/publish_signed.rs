//! `offpeak publish --sign-with` and `offpeak verify`: sums and signatures, as the stock programs
//! read them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::offpeak;
use crate::tools::{output_text, run, tool};

/// A folder with a database, a key pair and a published, signed tree.
fn published(folder: &Path) {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
    write("key.pub", pair.pk.to_box().unwrap().to_string());
    write("key.sec", pair.sk.to_box(None).unwrap().to_string());
    let output = publish(folder, &["--now"]);
    assert!(output.status.success(), "{}", output_text(&output));
}

fn publish(folder: &Path, more: &[&str]) -> Output {
    offpeak()
        .args(["publish", "--out"])
        .arg(folder.join("tree"))
        .arg("--sign-with")
        .arg(folder.join("key.sec"))
        .args(more)
        .env(
            "OFFPEAK_DATABASE",
            format!("sqlite:{}", folder.join("db").display()),
        )
        .output()
        .unwrap()
}

fn verify(folder: &Path, tree: &str) -> (Option<i32>, Vec<Value>) {
    let output = offpeak()
        .args(["verify", tree, "--json", "--key"])
        .arg(folder.join("key.pub"))
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    let found = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output.status.code(), found)
}

fn faults(found: &[Value]) -> Vec<(&str, &str)> {
    let fault = |finding: &'_ Value| finding["fault"].as_str().is_some();
    let wrong = found.iter().filter(|finding| fault(finding));
    wrong
        .map(|f| (f["path"].as_str().unwrap(), f["fault"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_stock_programs_verify_what_is_published() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path());
    let tree = folder.path().join("tree");
    run(Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&tree));
    let Some(minisign) = tool("OFFPEAK_TEST_MINISIGN") else {
        return;
    };
    for file in ["ranking.json", "SHA256SUMS", "schema/ranking-1.json"] {
        let mut command = Command::new(&minisign);
        command
            .arg("-V")
            .arg("-p")
            .arg(folder.path().join("key.pub"))
            .arg("-m")
            .arg(tree.join(file));
        assert!(run(&mut command).contains("verified"), "{file}");
    }
}

#[test]
fn a_key_that_the_stock_program_made_signs_what_it_verifies() {
    let Some(minisign) = tool("OFFPEAK_TEST_MINISIGN") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut generate = Command::new(&minisign);
    generate.args(["-G", "-W", "-p"]).arg(at("key.pub"));
    run(generate.arg("-s").arg(at("key.sec")));
    let output = publish(folder.path(), &["--now"]);
    assert!(output.status.success(), "{}", output_text(&output));
    let mut verify = Command::new(&minisign);
    verify.args(["-V", "-p"]).arg(at("key.pub"));
    let verified = run(verify.arg("-m").arg(at("tree/ranking.json")));
    assert!(verified.contains("verified"), "{verified}");
}

#[test]
fn a_tree_is_verified_in_a_folder_and_over_http() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path());
    let tree = folder.path().join("tree");
    let name = tree.display().to_string();
    let (code, found) = verify(folder.path(), &name);
    assert_eq!((code, faults(&found)), (Some(0), Vec::new()));
    assert!(found.len() >= 4, "{found:?}");
    // A publication that changes nothing leaves sums and signatures as they are.
    let before = fs::read(tree.join("ranking.json.minisig")).unwrap();
    let output = publish(folder.path(), &[]);
    assert!(
        output_text(&output).contains(" 0 files written"),
        "{}",
        output_text(&output)
    );
    assert_eq!(fs::read(tree.join("ranking.json.minisig")).unwrap(), before);
    let served = Served::start(&tree);
    let (code, found) = verify(folder.path(), &served.url);
    assert_eq!((code, faults(&found)), (Some(0), Vec::new()));
    // One octet of one file, another's signature, and one that is gone.
    let ranking = fs::read_to_string(tree.join("ranking.json")).unwrap();
    fs::write(tree.join("ranking.json"), ranking.replacen('{', "{ ", 1)).unwrap();
    fs::remove_file(tree.join("schema/ranking-1.json.minisig")).unwrap();
    for place in [&name, &served.url] {
        let (code, found) = verify(folder.path(), place);
        assert_eq!(code, Some(3));
        let faults = faults(&found);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults
                .iter()
                .any(|(path, why)| *path == "ranking.json" && why.contains("not of these bytes"))
        );
        assert!(
            faults
                .iter()
                .any(|(path, why)| *path == "schema/ranking-1.json"
                    && why.contains("its signature: it cannot be"))
        );
    }
    fs::remove_file(tree.join("SHA256SUMS")).unwrap();
    let (code, found) = verify(folder.path(), &name);
    assert_eq!((code, found.len()), (Some(3), 1));
}

#[test]
fn without_a_key_no_signature_stays_and_none_is_said_to_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    published(folder.path());
    let tree = folder.path().join("tree");
    let signatures = || {
        let mut found = Vec::new();
        let mut folders = vec![tree.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.extension() {
                    _ if path.is_dir() => folders.push(path),
                    Some(extension) if extension == "minisig" => found.push(path),
                    _ => {}
                }
            }
        }
        found
    };
    assert!(signatures().len() > 4, "{:?}", signatures());
    let verify = |more: &[&str]| {
        let output = offpeak().arg("verify").arg(&tree).args(more).output();
        output.unwrap()
    };
    for more in [&[][..], &["--json"]] {
        let output = verify(more);
        assert_eq!(output.status.code(), Some(0));
        // A line for each file stays a line for each file.
        let lines = String::from_utf8(output.stdout).unwrap();
        assert!(!lines.contains("not checked"), "{lines}");
        let said = String::from_utf8(output.stderr).unwrap();
        let want = "signatures are not checked: no --key is given";
        assert!(said.contains(want), "{said}");
    }
    let unsigned = || {
        let mut command = offpeak();
        command.args(["publish", "--now", "--out"]).arg(&tree);
        let database = format!("sqlite:{}", folder.path().join("db").display());
        run(command.env("OFFPEAK_DATABASE", database))
    };
    let text = unsigned();
    assert!(text.contains(" signatures removed"), "{text}");
    // Those of copies that nothing points at any more are of bytes that never change.
    let left = signatures();
    let is_copy = |path: &std::path::PathBuf| path.starts_with(tree.join("r"));
    assert!(left.iter().all(is_copy), "{left:?}");
    assert!(!unsigned().contains("removed"));
}

#[test]
fn a_stale_ranking_and_a_path_out_of_the_tree_are_faults() {
    let folder = tempfile::tempdir().unwrap();
    let write = |sums: &str| fs::write(folder.path().join("SHA256SUMS"), sums).unwrap();
    let ranking = r#"{"generatedAt":"2026-01-01T00:00:00Z","validUntil":"2026-01-08T00:00:00Z"}"#;
    fs::write(folder.path().join("ranking.json"), ranking).unwrap();
    let sum = crate::server::sha256_hex(ranking.as_bytes());
    write(&format!("{sum}  ranking.json\n"));
    let verify = || {
        let output = offpeak().arg("verify").arg(folder.path()).output().unwrap();
        (output.status.code(), output_text(&output))
    };
    let (code, text) = verify();
    assert!(
        code == Some(3) && text.contains("it is stale: made at 2026-01-01"),
        "{text}"
    );
    write(&format!("{sum}  ../ranking.json\n"));
    let (code, text) = verify();
    assert!(
        code == Some(3) && text.contains("line 1 is no sum and path"),
        "{text}"
    );
    write("");
    let (code, text) = verify();
    assert!(
        code == Some(3) && text.contains("SHA256SUMS does not list it"),
        "{text}"
    );
}

#[test]
fn a_key_that_cannot_sign_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key.sec"), "no key").unwrap();
    let output = publish(folder.path(), &["--now"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output_text(&output).contains("no secret key of minisign without a password"),
        "{}",
        output_text(&output)
    );
    assert!(!folder.path().join("tree").exists());
}

/// A folder behind a web server of Python's.
struct Served {
    child: std::process::Child,
    url: String,
}

impl Served {
    fn start(root: &Path) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut child = Command::new("python3")
            .args([
                "-u",
                "-m",
                "http.server",
                "0",
                "--bind",
                "127.0.0.1",
                "--directory",
            ])
            .arg(root)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Serving HTTP on 127.0.0.1 port 43210 (http://127.0.0.1:43210/) ...
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line.split(['(', ')']).nth(1).unwrap().to_owned();
        Self { child, url }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
