//! certbot in front of the gateway: it is told a window, keeps it, and renews in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use instant_acme::NewOrder;
use offpeak::domain::time::{DAY, Timestamp};
use offpeak::engine::clock::{Clock as _, SystemClock};
use serde_json::Value;

use super::acme::{Front, dns, settled};
use super::pebble::Pebble;
use crate::process::offpeak;
use crate::tools::{output_text, run, tool};

/// A certbot with folders of its own that trusts the gateway's certificate.
struct Certbot<'a> {
    program: PathBuf,
    front: &'a Front,
    folder: tempfile::TempDir,
}

/// A gateway for a certbot whose clock can be moved.
fn scene() -> Option<(Front, Pebble, PathBuf)> {
    tool("OFFPEAK_TEST_CERTBOT")?;
    let faketime = tool("OFFPEAK_TEST_FAKETIME")?;
    let pebble = Pebble::start()?;
    Some((Front::of(&pebble, ""), pebble, faketime))
}

impl<'a> Certbot<'a> {
    /// One that has had its certificate issued.
    fn with_a_certificate(front: &'a Front) -> Self {
        let certbot = Self {
            program: tool("OFFPEAK_TEST_CERTBOT").expect("it was there a moment ago"),
            front,
            folder: tempfile::tempdir().unwrap(),
        };
        let issued = certbot.certonly();
        assert!(issued.status.success(), "{}", output_text(&issued));
        certbot
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("--non-interactive")
            .arg("--config-dir")
            .arg(self.folder.path().join("config"))
            .arg("--work-dir")
            .arg(self.folder.path().join("work"))
            .arg("--logs-dir")
            .arg(self.folder.path().join("logs"))
            .env("REQUESTS_CA_BUNDLE", self.front.certificate())
            .env("NO_PROXY", "127.0.0.1");
        command
    }

    fn certonly(&self) -> std::process::Output {
        let arguments = [
            "certonly",
            "--server",
            &self.front.directory,
            "--agree-tos",
            "--register-unsafely-without-email",
            "--manual",
            "--manual-auth-hook",
            "/bin/true",
            "--preferred-challenges",
            "http",
            "-d",
            "a.example",
        ];
        self.command(&self.program, &arguments).output().unwrap()
    }

    /// Runs `certbot renew`, so much later by its own clock.
    fn renew(&self, faketime: &Path, later: &str) -> String {
        let program = self.program.display().to_string();
        let arguments = ["-f", later, &program, "renew", "--no-random-sleep-on-renew"];
        let output = self.command(faketime, &arguments).output().unwrap();
        let text = output_text(&output);
        assert!(output.status.success(), "{text}");
        text
    }

    fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join("config").join(path)
    }

    fn cert_id(&self) -> String {
        let certificate = self.file("live/a.example/cert.pem");
        let printed = run(offpeak().arg("certid").arg(certificate));
        printed.split('\t').next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_keeps_its_window_and_renews_after_a_revocation() {
    let Some((front, _pebble, faketime)) = scene() else {
        return;
    };
    let certbot = Certbot::with_a_certificate(&front);
    let id = certbot.cert_id();
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    let kept = certbot.renew(&faketime, "+1m");
    assert!(kept.contains("not due for renewal yet"), "{kept}");
    // It has asked, and keeps what it was told of when to ask again.
    let lineage = fs::read_to_string(certbot.file("renewal/a.example.conf")).unwrap();
    assert!(lineage.contains("ari_retry_after"), "{lineage}");
    assert_eq!(certbot.cert_id(), id);
    let path = format!("/v1/certificates/{id}/revoked");
    let api = &front.server.api;
    let revoked = api.send(&path, "application/json", "{}".to_owned()).await;
    assert_eq!(revoked.unwrap().status(), 200);
    // Before the time that it was told it does not ask, revoked or not.
    let waits = certbot.renew(&faketime, "+2m");
    assert!(waits.contains("not due for renewal yet"), "{waits}");
    certbot.renew(&faketime, "+8h");
    let renewed = certbot.cert_id();
    assert_ne!(renewed, id);
    assert_eq!(front.renewal_info(&renewed).await.0, 200);
    // It sends no `replaces`: its names say which certificate this one follows.
    let explained: Value = settled(&front, &id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed, "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_renews_in_its_window() {
    let Some((front, _pebble, faketime)) = scene() else {
        return;
    };
    let certbot = Certbot::with_a_certificate(&front);
    let id = certbot.cert_id();
    let (_, info) = front.renewal_info(&id).await;
    let now = SystemClock.now();
    let later = |end: &str| {
        let at: Timestamp = info["suggestedWindow"][end]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        at - now
    };
    let before = certbot.renew(&faketime, &format!("+{}s", later("start") - 3_600));
    assert!(before.contains("not due for renewal yet"), "{before}");
    assert_eq!(certbot.cert_id(), id);
    // It draws an instant of its window at each run: at the end that is past. It asks again after six hours.
    certbot.renew(&faketime, &format!("+{}s", later("end") + DAY / 2));
    let renewed = certbot.cert_id();
    assert_ne!(renewed, id);
    let explained = settled(&front, &id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed, "{explained}");
}

/// A certbot that orders after somebody has taken the place that there was.
async fn second(more: &str) -> Option<(Front, Pebble, std::process::Output, Duration)> {
    let program = tool("OFFPEAK_TEST_CERTBOT")?;
    let pebble = Pebble::start()?;
    let front = Front::of(&pebble, more);
    let account = front.account().await;
    let names = dns(&["b.example"]);
    let begun = Instant::now();
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    let certbot = Certbot {
        program,
        front: &front,
        folder: tempfile::tempdir().unwrap(),
    };
    let output = certbot.certonly();
    drop(certbot);
    Some((front, pebble, output, begun.elapsed()))
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_waits_for_an_answer_that_is_held() {
    // The second order's turn comes after 18.9 s.
    let Some((_front, _pebble, output, took)) = second("new_orders_per_second = 0.053").await
    else {
        return;
    };
    assert!(output.status.success(), "{}", output_text(&output));
    assert!(took > Duration::from_secs(18), "it was not held");
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_fails_at_once_where_it_is_turned_away() {
    let more = "new_orders_per_second = 0.01\nhold = \"0s\"";
    let Some((front, _pebble, output, _)) = second(more).await else {
        return;
    };
    let text = output_text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("Service busy; retry later."), "{text}");
    assert_eq!(front.answered("new-order", 503).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn certbot_waits_beyond_its_time_out_if_interim_answers_come() {
    // The second order's turn comes after 52.6 s; certbot gives up after 45 s without an octet.
    let Some((_front, _pebble, output, took)) = second("new_orders_per_second = 0.019").await
    else {
        return;
    };
    assert!(output.status.success(), "{}", output_text(&output));
    assert!(took > Duration::from_secs(50), "it was not held");
}
