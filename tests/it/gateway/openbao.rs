//! `OpenBao`, whose PKI engine speaks ACME, as an upstream.

use std::collections::HashMap;
use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, NewOrder, RevocationRequest,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::acme::{Front, dns, fetch, first_der, settled};
use super::watching::until;
use crate::process::offpeak;
use crate::tools::{free_ports, output_text, run, tool};

/// Far longer than it takes; only a hang waits for it.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// An `OpenBao` in development mode with a root of its own in the mount `pki`; killed when it is dropped.
struct OpenBao {
    program: PathBuf,
    address: SocketAddr,
    child: Child,
    texts: Texts,
    folder: TempDir,
}

impl OpenBao {
    /// Starts one; `None`, said aloud, where there is none here.
    fn start() -> Option<Self> {
        let program = tool("OFFPEAK_TEST_OPENBAO")?;
        let folder = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let log = folder.path().join("log");
        let child = Command::new(&program)
            .args(["server", "-dev", "-dev-no-store-token"])
            .args([
                "-dev-root-token-id=root".to_owned(),
                format!("-dev-listen-address={address}"),
            ])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("OpenBao starts");
        let bao = Self {
            program,
            address,
            child,
            texts: Texts::serve(),
            folder,
        };
        let deadline = Instant::now() + READY_WITHIN;
        while !bao.command(&["status"]).output().unwrap().status.success() {
            let log = std::fs::read_to_string(&log).unwrap();
            assert!(Instant::now() < deadline, "OpenBao is not ready: {log}");
        }
        bao.done(&["secrets", "enable", "pki"]);
        bao.done(&["write", "pki/root/generate/internal", "common_name=root"]);
        Some(bao)
    }

    /// The URL of its directory.
    fn directory(&self) -> String {
        format!("http://{}/v1/pki/acme/directory", self.address)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("HOME", self.folder.path())
            .env("BAO_ADDR", format!("http://{}", self.address))
            .env("BAO_TOKEN", "root")
            .env("NO_PROXY", "127.0.0.1");
        command
    }

    fn done(&self, arguments: &[&str]) {
        run(&mut self.command(arguments));
    }

    /// Has its clients come to this path, which it needs to know before it speaks ACME.
    fn name_itself(&self, path: &str) {
        self.done(&["write", "pki/config/cluster", &format!("path={path}")]);
        let resolver = format!("dns_resolver={}", self.texts.address);
        self.done(&["write", "pki/config/acme", "enabled=true", &resolver]);
    }

    /// Does what a remedy says: the command between its backticks.
    fn follow(&self, remedy: &str) {
        let command = remedy.split('`').rfind(|part| part.starts_with("bao "));
        let arguments: Vec<&str> = command
            .unwrap_or_else(|| panic!("no command: {remedy}"))
            .split(' ')
            .skip(1)
            .collect();
        self.done(&arguments);
    }

    /// Orders a certificate, passes its challenges by DNS, and fetches it.
    async fn issue(&self, account: &Account, new: &NewOrder<'_>) -> (String, String) {
        let mut order = account.new_order(new).await.expect("an order");
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.unwrap();
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = authorization.identifier().to_string();
            let mut challenge = authorization.challenge(ChallengeType::Dns01).unwrap();
            let text = challenge.key_authorization().dns_value();
            self.texts.say(&format!("_acme-challenge.{name}"), text);
            challenge.set_ready().await.unwrap();
        }
        fetch(&mut order).await
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of DNS that knows TXT records alone, and ends with the process.
struct Texts {
    address: SocketAddr,
    known: Arc<Mutex<HashMap<String, String>>>,
}

impl Texts {
    fn serve() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let known: Arc<Mutex<HashMap<String, String>>> = Arc::default();
        let report = Arc::clone(&known);
        std::thread::spawn(move || {
            let mut query = [0; 4_096];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..length], &report.lock().unwrap()) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, known }
    }

    fn say(&self, name: &str, text: String) {
        self.known.lock().unwrap().insert(name.to_owned(), text);
    }
}

/// The answer to a question (RFC 1035 section 4): the text of its name, where that is asked for and known.
fn answer(query: &[u8], known: &HashMap<String, String>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *query.get(at)? > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..end)?).to_ascii_lowercase());
        at = end;
    }
    let question = query.get(12..at + 5)?;
    let is_text = question[question.len() - 4..] == [0, 16, 0, 1];
    let text = known.get(&labels.join(".")).filter(|_| is_text);
    let mut answer = query[..2].to_vec();
    // A response with authority; one question, and perhaps one answer.
    answer.extend([0x85, 0x80, 0, 1, 0, u8::from(text.is_some()), 0, 0, 0, 0]);
    answer.extend(question);
    if let Some(text) = text {
        let length = u8::try_from(text.len()).unwrap();
        // The question's name, TXT, IN, one second.
        answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 1, 0, length + 1, length]);
        answer.extend(text.bytes());
    }
    Some(answer)
}

fn check(front: &Front) -> (Output, Value) {
    let mut command = offpeak();
    command.args(["gateway", "check", &front.directory, "--json", "--roots"]);
    let output = command.arg(front.certificate()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, report[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn openbao_is_checked_for_each_setting_until_it_has_all() {
    let Some(bao) = OpenBao::start() else {
        return;
    };
    let front = Front::before(&bao.directory(), "", None);
    // It speaks no ACME yet, and whoever starts a gateway is told.
    until(async || {
        front
            .server
            .log()
            .contains("upstream_unknown")
            .then_some(())
    })
    .await;
    let (output, _) = check(&front);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output_text(&output).contains("404 Not Found, and no ACME directory"),
        "{}",
        output_text(&output)
    );

    bao.name_itself(&format!("http://{}/v1/pki", bao.address));
    let (output, past) = check(&front);
    assert_eq!(output.status.code(), Some(1), "{past}");
    assert_eq!(past["nonce"], Value::Null, "{past}");
    let remedy = past["remedy"].as_str().unwrap();
    assert!(
        remedy.contains(&format!("path={}`", front.url("/v1/pki"))),
        "{past}"
    );

    // The right host, and another mount.
    bao.name_itself(&front.url("/v1/else"));
    let (output, elsewhere) = check(&front);
    assert_eq!(output.status.code(), Some(1), "{elsewhere}");
    assert_eq!(elsewhere["nonce"], json!(false), "{elsewhere}");
    assert_eq!(elsewhere["remedy"].as_str(), Some(remedy));
    bao.follow(remedy);

    // A mount keeps the headers of ACME to itself until it is told.
    let (output, mute) = check(&front);
    assert_eq!(output.status.code(), Some(1), "{mute}");
    assert_eq!(mute["nonce"], json!(false), "{mute}");
    bao.follow(mute["remedy"].as_str().unwrap());

    let (output, through) = check(&front);
    assert!(output.status.success(), "{through}");
    assert_eq!(
        (&through["nonce"], &through["remedy"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn openbao_gets_windows_replaces_and_revocations() {
    let Some(bao) = OpenBao::start() else {
        return;
    };
    let front = Front::before(&bao.directory(), "", None);
    bao.name_itself(&front.url("/v1/pki"));
    let headers = ["Replay-Nonce", "Location", "Link"];
    let headers = headers.map(|header| format!("-allowed-response-headers={header}"));
    let [nonce, location, link] = &headers;
    bao.done(&["secrets", "tune", nonce, location, link, "pki"]);
    let account = front.account().await;
    let names = dns(&["a.example", "b.example"]);
    let (chain, id) = bao.issue(&account, &NewOrder::new(&names)).await;
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    // It ignores `replaces`; the gateway checks, reflects and remembers it.
    let der = first_der(&chain);
    let replaced = CertificateIdentifier::try_from(&der).unwrap();
    let new = NewOrder::new(&names).replaces(replaced);
    let (renewed, renewed_id) = bao.issue(&account, &new).await;
    let explained = settled(&front, &id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed_id, "{explained}");
    match account.new_order(&new).await {
        Err(instant_acme::Error::Api(problem)) => assert_eq!(problem.status, Some(409)),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it has been replaced already"),
    }
    // By its names alone, with the nonce of the refusal, which OpenBao has not seen. All end in one
    // second, with their CA.
    let (mut last, mut last_id) = (renewed.clone(), renewed_id);
    for _ in 0..4 {
        let (next, next_id) = bao.issue(&account, &NewOrder::new(&names)).await;
        let explained = settled(&front, &last_id).await;
        assert_eq!(explained["replacedBy"]["by"], next_id, "{explained}");
        (last, last_id) = (next, next_id);
    }
    for chain in [&renewed, &last] {
        let request = RevocationRequest {
            certificate: &first_der(chain),
            reason: None,
        };
        account.revoke(&request).await.expect("it is revoked");
    }
    until(async || {
        let explained = front.explained(&last_id).await;
        (explained["cause"]["kind"] == "revocation").then_some(())
    })
    .await;
}
