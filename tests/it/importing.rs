//! `offpeak import`, `forget`, `certid` and `ca`, as a person runs them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Server, offpeak};

/// A folder with what a test needs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn database(&self) -> String {
        format!("sqlite:{}", self.0.path().join("o.db").display())
    }

    fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut child = offpeak()
            .args(arguments)
            .current_dir(self.0.path())
            .env("OFFPEAK_DATABASE", self.database())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut piped = child.stdin.take().unwrap();
        piped.write_all(stdin.as_bytes()).unwrap();
        drop(piped);
        child.wait_with_output().unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// A CA's certificate, and one that it issued.
struct Chain {
    ca: String,
    leaf: String,
}

fn chain(common_name: &str) -> Chain {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["leaf.example".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2126, 1, 1);
    let leaf = params.signed_by(&key, &issuer).unwrap().pem();
    Chain { ca, leaf }
}

/// The key identifier that the leaf's CertID begins with.
fn issuer_of(folder: &Folder, leaf: &str) -> String {
    let printed = stdout(&folder.run(&["certid", "-"], leaf));
    let (id, rest) = printed.split_once('\t').unwrap();
    assert_eq!(rest, "-\n");
    id.split_once('.').unwrap().0.to_owned()
}

#[test]
fn a_ca_s_certificate_makes_a_block_that_claims_what_it_issues() {
    let folder = Folder::new();
    let first = chain("Example Issuing CA 1");
    let second = chain("Příklad");
    let path = folder.file("first.pem", &first.ca);
    let printed = folder.run(&["ca", path.to_str().unwrap(), "-"], &second.ca);
    assert!(printed.status.success(), "{printed:?}");
    let config = folder.file("offpeak.toml", &stdout(&printed));
    let checked = folder.run(&["check-config", config.to_str().unwrap()], "");
    assert!(checked.status.success(), "{checked:?}");
    let text = stdout(&printed);
    for (name, chain) in [("example-issuing-ca-1", &first), ("p-klad", &second)] {
        let issuer = issuer_of(&folder, &chain.leaf);
        let block = format!("name = \"{name}\"\nissuers = [\"{issuer}\"]\n");
        assert!(text.contains(&block), "{text}");
    }
    let result = json(&folder.run(&["ca", "--json", "first.pem"], ""));
    assert_eq!(result[0]["name"], "example-issuing-ca-1");
    assert_eq!(result[0]["subject"], "Example Issuing CA 1");
    assert_eq!(result[0]["issuers"][0], issuer_of(&folder, &first.leaf));
}

#[test]
fn what_is_no_ca_s_certificate_says_so_and_whose_is_wanted() {
    let folder = Folder::new();
    let Chain { ca, leaf } = chain("Example");
    let printed = folder.run(&["ca", "-"], &format!("{leaf}{ca}"));
    assert_eq!(printed.status.code(), Some(3));
    assert!(
        stdout(&printed).contains("name = \"example\""),
        "{printed:?}"
    );
    let error = stderr(&printed);
    assert!(error.contains("not the certificate of a CA"), "{error}");
    assert!(error.contains(&issuer_of(&folder, &leaf)), "{error}");
    for (text, want) in [("x", "neither DER nor PEM"), ("", "neither DER nor PEM")] {
        let printed = folder.run(&["ca", "-"], text);
        assert_eq!(printed.status.code(), Some(3));
        assert!(stderr(&printed).contains(want), "{printed:?}");
    }
    let missing = folder.run(&["ca", "missing.pem"], "");
    assert!(
        stderr(&missing).contains("missing.pem: No such file"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn certificates_of_an_unclaimed_issuer_are_reported_everywhere() {
    let folder = Folder::new();
    let (mine, forgotten) = (chain("Mine"), chain("Forgotten"));
    let block = stdout(&folder.run(&["ca", "-"], &mine.ca));
    folder.file("offpeak.toml", &block);
    let issuer = issuer_of(&folder, &forgotten.leaf);
    let line = format!("issuers = [\"{issuer}\"]");
    folder.file("certs.pem", &format!("{}{}", mine.leaf, forgotten.leaf));
    let import = [
        "import",
        "certificates",
        "--config",
        "offpeak.toml",
        "certs.pem",
    ];
    let imported = folder.run(&import, "");
    assert!(imported.status.success(), "{imported:?}");
    let text = stdout(&imported);
    let warnings: Vec<&str> = text.lines().filter(|l| l.contains("warning")).collect();
    assert_eq!(warnings.len(), 1, "{text}");
    assert!(warnings[0].contains(&line), "{text}");
    let again = json(&folder.run(&[&import[..], &["--json"]].concat(), ""));
    assert_eq!(again["unchanged"], 2);
    let warning = &again["files"][0]["warnings"][0];
    assert_eq!(warning["keyIdentifier"], issuer.as_str());
    assert_eq!(warning["certificates"], 1);

    let config = folder.0.path().join("offpeak.toml");
    let database = folder.database();
    let server = Server::start(
        offpeak()
            .args(["serve", "--database", &database])
            .arg("--config")
            .arg(&config),
    );
    for _ in 0..2 {
        let body = format!("{{\"pem\":{:?}}}\n", forgotten.leaf);
        let report = server.api.post_ndjson("/v1/certificates", body).await;
        let report = report.unwrap();
        let detail = report["warnings"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(&line), "{report}");
        let body = format!("{{\"pem\":{:?}}}\n", mine.leaf);
        let report = server
            .api
            .post_ndjson("/v1/certificates", body)
            .await
            .unwrap();
        assert_eq!(report.get("warnings"), None);
    }
    let result = server.logged("unclaimed_issuer");
    assert!(result.contains(&issuer), "{result}");
    assert_eq!(server.log().matches("unclaimed_issuer").count(), 1);
}

#[test]
fn a_file_with_the_wrong_format_counts_when_it_comes_with_the_right_one() {
    let folder = Folder::new();
    let load = "at,kind,count\n2026-11-27T10:00:00Z,issued,7\n";
    folder.file("load", load);
    let import = |format: &str| {
        let import = ["import", "observations", "--format", format, "load"];
        folder.run(&import, "")
    };
    let wrong = import("ndjson");
    assert_eq!(wrong.status.code(), Some(3));
    assert!(
        stdout(&wrong).contains("0 accepted, 0 unchanged, 2 rejected"),
        "{wrong:?}"
    );
    let right = stdout(&import("csv"));
    assert!(
        right.contains("load: 1 accepted, 0 unchanged, 0 rejected\n"),
        "{right}"
    );
    let again = stdout(&import("csv"));
    assert!(
        again.contains("counted before: nothing was added"),
        "{again}"
    );
}

#[test]
fn an_import_whose_ca_was_unknown_counts_once_it_is_configured() {
    let folder = Folder::new();
    // Expired: it is counted, as issuance of the past.
    let past = "cert_id,not_before,not_after\nAQEB.AQ,2026-10-01T10:00:00Z,2026-10-08T10:00:00Z\n";
    folder.file("past.csv", past);
    folder.file("strict.toml", "strict_issuers = true\n");
    folder.file("known.toml", "[[ca]]\nname = \"a\"\nissuers = [\"AQEB\"]\n");
    let import = |config: &str| {
        let import = ["import", "certificates", "--config", config, "past.csv"];
        stdout(&folder.run(&import, ""))
    };
    let refused = import("strict.toml");
    assert!(
        refused.contains("0 accepted, 0 unchanged, 1 rejected"),
        "{refused}"
    );
    let taken = import("known.toml");
    assert!(
        taken.contains("1 accepted, 0 unchanged, 0 rejected"),
        "{taken}"
    );
    let again = import("known.toml");
    assert!(
        again.contains("0 accepted, 1 unchanged, 0 rejected"),
        "{again}"
    );
}

#[test]
fn a_database_s_dump_is_taken_from_a_pipe_and_taken_back() {
    let folder = Folder::new();
    let dump = "id,issuer,serial,not_before,not_after,email\n\
        1,01:01:01,00:87:65:43:21,2026-01-01,2126-01-01,a@example\n\
        2,010101,12,2026-01-01,2126-02-30,a@example\n";
    let strict = folder.run(&["import", "certificates", "-"], dump);
    assert_eq!(strict.status.code(), Some(3));
    let text = stdout(&strict);
    assert!(text.contains("unknown column \"id\""), "{text}");
    let database = folder.database();
    assert!(
        text.starts_with(&format!("importing into {database}\n")),
        "{text}"
    );
    let import = ["import", "certificates", "--ignore-unknown", "--json", "-"];
    let result = json(&folder.run(&import, dump));
    assert_eq!(
        (&result["accepted"], &result["rejected"]),
        (&1.into(), &1.into()),
        "{result}"
    );
    assert_eq!(result["database"], database.as_str());
    assert_eq!(result["files"][0]["path"], "-");
    assert_eq!(
        result["files"][0]["errors"][0]["detail"],
        "\"2126-02-30\" is no date"
    );
    // It is the certificate of the RFC's serial, with midnights as its dates.
    let same = "{\"certId\":\"AQEB.AIdlQyE\",\"notBefore\":\"2026-01-01T00:00:00Z\",\
        \"notAfter\":\"2126-01-01T00:00:00Z\"}\n";
    let result = json(&folder.run(&["import", "certificates", "--json", "-"], same));
    assert_eq!(result["unchanged"], 1, "{result}");
    let forgotten = json(&folder.run(&["forget", "--json", "-"], dump));
    assert_eq!(forgotten[0]["removed"], 1, "{forgotten}");
    let load = "{\"at\":\"2026-11-27T10:00:00Z\",\"kind\":\"issued\",\"count\":7,\"who\":{}}\n";
    let import = ["import", "observations", "--format", "ndjson", "-"];
    assert_eq!(folder.run(&import, load).status.code(), Some(3));
    let counted = folder.run(&[&import[..], &["--ignore-unknown"]].concat(), load);
    assert!(counted.status.success(), "{counted:?}");
    let twice = folder.run(&["import", "certificates", "-", "-"], "");
    assert_eq!(twice.status.code(), Some(2), "{twice:?}");
}

#[test]
fn certids_are_a_line_each_or_an_object_a_line() {
    let folder = Folder::new();
    let Chain { ca, leaf } = chain("Example");
    // A root names no issuer: it has no CertID.
    let both = format!("{leaf}{ca}");
    let printed = folder.run(&["certid", "-"], &both);
    assert_eq!(printed.status.code(), Some(3));
    let text = stdout(&printed);
    let (first, second) = text.split_once('\n').unwrap();
    assert!(first.ends_with("\t-"), "{text}");
    assert!(second.starts_with("-\t-\tline "), "{text}");
    let result = stdout(&folder.run(&["certid", "--json", "-"], &both));
    let lines: Vec<Value> = result
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["certId"], first.split_once('\t').unwrap().0);
    assert_eq!(lines[1]["certId"], Value::Null);
    assert!(
        lines[1]["reason"]
            .as_str()
            .unwrap()
            .contains("authorityKeyIdentifier")
    );
}

#[test]
fn every_help_has_an_example_and_says_what_is_read() {
    let folder = Folder::new();
    for (command, want) in [
        (
            &["import", "certificates"][..],
            "issuer (the key identifier) and serial",
        ),
        (&["import", "observations"][..], "latency_p95_ms"),
        (&["forget"][..], "offpeak forget "),
        (&["certid"][..], "offpeak ca"),
        (&["ca"][..], "check-config"),
    ] {
        let help = folder.run(&[command, &["--help"]].concat(), "");
        let help = stdout(&help);
        assert!(help.contains("Examples:") && help.contains(want), "{help}");
    }
}
