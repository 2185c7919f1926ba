//! Caddy in front of the gateway: it keeps the window that it was told, and renews with `replaces`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use instant_acme::NewOrder;
use serde_json::Value;

use super::acme::{Front, dns, settled};
use super::pebble::Pebble;
use super::watching::until;
use crate::process::offpeak;
use crate::tools::{free_ports, run, tool};

/// Far longer than it takes; only a hang waits for it.
const LONG: Duration = Duration::from_mins(1);

/// A Caddy that serves one site; killed when it is dropped.
struct Caddy {
    child: Child,
    folder: PathBuf,
}

impl Caddy {
    fn start(program: &Path, front: &Front, folder: &Path) -> Self {
        let [http, https] = free_ports();
        let config = format!(
            "{{\n\
             admin off\npersist_config off\nskip_install_trust\n\
             acme_ca {}\nacme_ca_root {}\nstorage file_system {}\n\
             http_port {http}\nhttps_port {https}\nrenew_interval 1s\n\
             }}\na.example {{\nbind 127.0.0.1\nrespond ok\n}}\n",
            front.directory,
            front.certificate().display(),
            folder.join("storage").display(),
        );
        let file = folder.join("Caddyfile");
        fs::write(&file, config).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(program)
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(&file)
            .env("HOME", folder)
            .env("NO_PROXY", "127.0.0.1")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Caddy starts");
        Self {
            child,
            folder: folder.to_owned(),
        }
    }

    /// Waits for what it has stored about its certificate to be so.
    fn until(&self, is_so: impl Fn(&str, &Value) -> bool) -> (String, Value) {
        let begun = Instant::now();
        loop {
            let found = stored(&self.folder);
            if let Some((id, metadata)) = found.filter(|(id, metadata)| is_so(id, metadata)) {
                return (id, metadata);
            }
            let log = fs::read_to_string(self.folder.join("log")).unwrap();
            assert!(begun.elapsed() < LONG, "{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file with what Caddy knows of its certificate.
fn metadata_file(folder: &Path) -> Option<PathBuf> {
    let issuers = fs::read_dir(folder.join("storage/certificates")).ok()?;
    let file = issuers
        .filter_map(Result::ok)
        .map(|issuer| issuer.path().join("a.example/a.example.json"));
    file.into_iter().find(|file| file.exists())
}

/// The CertID of Caddy's certificate, and what it knows of it.
fn stored(folder: &Path) -> Option<(String, Value)> {
    let file = metadata_file(folder)?;
    let metadata = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
    let printed = run(offpeak().arg("certid").arg(file.with_extension("crt")));
    Some((printed.split('\t').next()?.to_owned(), metadata))
}

/// Puts a time that Caddy has noted of its window into the past.
fn forget(folder: &Path, noted: &str) {
    let (file, (_, mut metadata)) = metadata_file(folder).zip(stored(folder)).unwrap();
    metadata["issuer_data"]["renewal_info"][noted] = "2020-01-01T00:00:00Z".into();
    fs::write(file, metadata.to_string()).unwrap();
}

fn window(metadata: &Value) -> &Value {
    &metadata["issuer_data"]["renewal_info"]["suggestedWindow"]
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_gets_its_window_at_once_and_renews_with_replaces() {
    let Some(program) = tool("OFFPEAK_TEST_CADDY") else {
        return;
    };
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let folder = tempfile::tempdir().unwrap();
    let caddy = Caddy::start(&program, &front, folder.path());
    let (id, metadata) = caddy.until(|_, metadata| window(metadata)["start"].is_string());
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    assert_eq!(window(&metadata), &info["suggestedWindow"]);
    drop(caddy);
    let path = format!("/v1/certificates/{id}/revoked");
    let api = &front.server.api;
    let revoked = api.send(&path, "application/json", "{}".to_owned()).await;
    assert_eq!(revoked.unwrap().status(), 200);
    // As if the hours had passed before which it does not ask again: it has no other clock to move.
    forget(folder.path(), "_retryAfter");
    let urgent = front.renewal_info(&id).await.1["suggestedWindow"].clone();
    let caddy = Caddy::start(&program, &front, folder.path());
    caddy.until(|_, metadata| window(metadata) == &urgent);
    drop(caddy);
    // And those until the time that it drew in the urgent window.
    forget(folder.path(), "_selectedTime");
    let caddy = Caddy::start(&program, &front, folder.path());
    let (renewed, _) = caddy.until(|now, _| now != id);
    let explained: Value = settled(&front, &id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed, "{explained}");
    // The replacement has an ordinary window, far ahead; it is asked for once the certificate is stored.
    let (_, info) = front.renewal_info(&renewed).await;
    let ordinary = &info["suggestedWindow"]["start"];
    assert_ne!(ordinary, &urgent["start"]);
    caddy.until(|now, metadata| now == renewed && &window(metadata)["start"] == ordinary);
}

/// A Caddy that orders after somebody has taken the place that there was.
async fn second(more: &str) -> Option<(Caddy, Front, Pebble, tempfile::TempDir)> {
    let program = tool("OFFPEAK_TEST_CADDY")?;
    let pebble = Pebble::start()?;
    let front = Front::of(&pebble, more);
    let account = front.account().await;
    let names = dns(&["b.example"]);
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let caddy = Caddy::start(&program, &front, folder.path());
    Some((caddy, front, pebble, folder))
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_waits_for_an_answer_that_is_held() {
    // The second order's turn comes after 18.9 s.
    let begun = Instant::now();
    let Some((caddy, front, _pebble, _folder)) = second("new_orders_per_second = 0.053").await
    else {
        return;
    };
    caddy.until(|_, metadata| window(metadata)["start"].is_string());
    assert!(begun.elapsed() > Duration::from_secs(18), "it was not held");
    assert_eq!(front.answered("new-order", 201).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_tries_three_times_at_once_where_it_is_turned_away() {
    let more = "new_orders_per_second = 0.01\nhold = \"0s\"";
    let Some((caddy, front, _pebble, _folder)) = second(more).await else {
        return;
    };
    // It does not look at Retry-After, which says a minute or more.
    until(async || (front.answered("new-order", 503).await >= 3).then_some(())).await;
    assert!(stored(&caddy.folder).is_none());
}
