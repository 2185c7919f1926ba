//! uacme in front of the gateway: it has no ARI and no `replaces`, so its names say what it renews.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use instant_acme::NewOrder;

use super::acme::{Front, dns, settled};
use super::acme2certifier::Acme2Certifier;
use super::watching::until;
use crate::process::offpeak;
use crate::tools::{output_text, run, tool};

/// A uacme with a folder of its own. It trusts the system's roots alone, so the gateway speaks HTTP here.
struct Uacme<'a> {
    front: &'a Front,
    folder: tempfile::TempDir,
}

impl<'a> Uacme<'a> {
    /// One that has an account; `None`, said aloud, where there is no uacme.
    fn of(front: &'a Front) -> Option<Self> {
        tool("OFFPEAK_TEST_UACME")?;
        let uacme = Self {
            front,
            folder: tempfile::tempdir().unwrap(),
        };
        uacme.done(&["new", "ops@offpeak.example"]);
        Some(uacme)
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let program = tool("OFFPEAK_TEST_UACME").expect("it was there");
        Command::new(program)
            .args(["--yes", "--verbose", "--hook", "/bin/true", "--confdir"])
            .arg(self.folder.path())
            .args(["--acme-url", &self.front.directory])
            .args(arguments)
            .env("no_proxy", "127.0.0.1")
            .output()
            .expect("uacme starts")
    }

    fn done(&self, arguments: &[&str]) {
        let output = self.output(arguments);
        assert!(output.status.success(), "{}", output_text(&output));
    }

    fn cert_id(&self) -> String {
        cert_id(&self.folder.path().join("a.example/cert.pem"))
    }
}

fn cert_id(certificate: &Path) -> String {
    let printed = run(offpeak().arg("certid").arg(certificate));
    printed.split('\t').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn uacme_issues_renews_and_revokes() {
    let Some(upstream) = Acme2Certifier::start() else {
        return;
    };
    let front = Front::over_http(&upstream.directory, "");
    let Some(uacme) = Uacme::of(&front) else {
        return;
    };
    uacme.done(&["issue", "a.example"]);
    let id = uacme.cert_id();
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    // The certificate has 30 days left.
    uacme.done(&["--days", "365", "issue", "a.example"]);
    let renewed = uacme.cert_id();
    assert_ne!(renewed, id);
    let explained = settled(&front, &id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed, "{explained}");
    let certificate = uacme.folder.path().join("a.example/cert.pem");
    uacme.done(&["revoke", certificate.to_str().unwrap()]);
    until(async || {
        let explained = front.explained(&renewed).await;
        (explained["cause"]["kind"] == "revocation").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uacme_waits_for_an_answer_that_is_held() {
    let Some(upstream) = Acme2Certifier::start() else {
        return;
    };
    // The second order's turn comes after 18.9 s.
    let front = Front::over_http(&upstream.directory, "new_orders_per_second = 0.053");
    let Some(uacme) = Uacme::of(&front) else {
        return;
    };
    let account = front.account_of(&["mailto:ops@offpeak.example"]).await;
    let names = dns(&["b.example"]);
    let begun = Instant::now();
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    uacme.done(&["issue", "a.example"]);
    assert!(begun.elapsed() > Duration::from_secs(18), "it was not held");
}

#[tokio::test(flavor = "multi_thread")]
async fn uacme_fails_at_once_where_it_is_turned_away() {
    let Some(upstream) = Acme2Certifier::start() else {
        return;
    };
    let more = "new_orders_per_second = 0.01\nhold = \"0s\"";
    let front = Front::over_http(&upstream.directory, more);
    let Some(uacme) = Uacme::of(&front) else {
        return;
    };
    let account = front.account_of(&["mailto:ops@offpeak.example"]).await;
    let names = dns(&["b.example"]);
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    let output = uacme.output(&["issue", "a.example"]);
    let text = output_text(&output);
    // Of this version; 2 is what it says where something failed.
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("Service busy; retry later."), "{text}");
    assert_eq!(front.answered("new-order", 503).await, 1);
}
