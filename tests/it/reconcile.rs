//! `offpeak reconcile`, and certificates that nobody will renew.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use offpeak::domain::certificate::Successor;
use offpeak::domain::certificate::certid::CertId;
use offpeak::domain::time::DAY;
use serde_json::{Value, json};

use crate::issuance::TestCa;
use crate::process::{Server, offpeak};
use crate::server::{NOW, TestServer};
use crate::support::{Database, databases};

/// What it prints as JSON, and its exit code.
fn reconcile(url: &str, arguments: &[&str], input: &str) -> (Value, Option<i32>) {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = offpeak()
        .args(["reconcile", "--json", "--database", url])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone before all is written.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (report, output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_and_extra_certificates_are_reported() {
    for database in databases().await {
        let url = Database::url(&database);
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::new();
        let mut ids = Vec::new();
        for number in 1..=4_u8 {
            let (certificate, _) = ca.issue("www.example.org", &[0x40, 1, 2, number]);
            let path = folder.path().join(format!("{number}.pem"));
            std::fs::write(&path, certificate.pem()).unwrap();
            let printed = offpeak().arg("certid").arg(&path).output().unwrap().stdout;
            let printed = String::from_utf8(printed).unwrap();
            ids.push(printed.split('\t').next().unwrap().to_owned());
        }
        let path = |number: usize| {
            let path = folder.path().join(format!("{number}.pem"));
            path.to_str().unwrap().to_owned()
        };
        // The first three are registered, the last three in use.
        let import = ["import", "certificates", &path(1), &path(2), &path(3)].map(str::to_owned);
        let imported = offpeak().args(import).args(["--database", &url]).output();
        assert!(imported.unwrap().status.success());
        let list = format!("{}\n{}\n{}\n", ids[1], ids[2], ids[3]);
        let as_files = [path(2), path(3), path(4)];
        let as_files: Vec<&str> = as_files.iter().map(String::as_str).collect();
        for (arguments, input) in [(vec!["-"], list.as_str()), (as_files, "")] {
            let (report, code) = reconcile(&url, &arguments, input);
            assert_eq!(code, Some(3), "{report}");
            assert_eq!(report["missing"], json!([ids[3]]), "{report}");
            assert_eq!(report["extra"], json!([ids[0]]), "{report}");
            assert_eq!(
                (&report["listed"], &report["registered"]),
                (&json!(3), &json!(3))
            );
        }
        let all = ids[..3].join("\n");
        assert_eq!(reconcile(&url, &["-"], &all).1, Some(0));
        let (report, code) = reconcile(&url, &["-"], &format!("{all}\nno certificate\n"));
        assert_eq!(
            (code, report["rejected"].as_array().unwrap().len()),
            (Some(3), 1)
        );
        // An empty list is a mistake sooner than the end of all; so is one that is cut off, or names few.
        for damaged in [String::new(), format!("{list}no certif"), ids[1].clone()] {
            let (_, code) = reconcile(&url, &["-", "--mark-dead"], &damaged);
            assert_eq!(code, Some(1), "{damaged}");
        }
        assert_eq!(reconcile(&url, &["-"], &all).1, Some(0));
        // In hexadecimal, as it may be imported.
        let in_columns = ids[..3].iter().map(|id| hexadecimal(id));
        let in_columns: Vec<String> = in_columns.collect();
        let in_columns = format!("issuer,serial\n{}\n", in_columns.join("\n"));
        let (report, code) = reconcile(&url, &["-"], &in_columns);
        assert_eq!(code, Some(0), "{report}");

        let (report, _) = reconcile(&url, &["-", "--mark-dead"], &list);
        assert_eq!(report["markedDead"], 1, "{report}");
        let (report, _) = reconcile(&url, &["-"], &list);
        assert_eq!(
            (&report["extra"], &report["registered"]),
            (&json!([]), &json!(2))
        );
        let server = Server::on(&url);
        let answer = server.api.get(&format!("/renewal-info/{}", ids[0])).await;
        assert_eq!(answer.status(), 200, "its window is answered on");
    }
}

/// Issuer and serial of a CertID, as a line of CSV.
fn hexadecimal(id: &str) -> String {
    let halves = id.split('.').map(|half| {
        let octets = URL_SAFE_NO_PAD.decode(half).unwrap();
        octets.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    });
    halves.collect::<Vec<_>>().join(",")
}

/// As Apache `mod_md` and uacme write it.
#[tokio::test(flavor = "multi_thread")]
async fn a_serial_without_its_sign_octet_names_the_same_certificate() {
    let database = crate::support::fresh_sqlite();
    let ca = TestCa::new();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, _) = ca.issue("www.example.org", &[0, 0x87, 0x65, 0x43]);
    let path = folder.path().join("1.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    let url = database.url();
    let imported = offpeak()
        .args(["import", "certificates", "--database", &url])
        .arg(&path)
        .output();
    assert!(imported.unwrap().status.success());
    let printed = offpeak().arg("certid").arg(&path).output().unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    let (issuer, serial) = printed.split_once('.').unwrap();
    assert!(serial.starts_with("AIdlQw"), "{serial}");
    let (report, code) = reconcile(&url, &["-"], &format!("{issuer}.h2VD\n"));
    assert_eq!(code, Some(0), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_marked_dead_leave_the_forecast() {
    let server = TestServer::start().await;
    let id = |number: u16| -> CertId {
        let [high, low] = number.to_be_bytes();
        let serial = URL_SAFE_NO_PAD.encode([0x40, high, low]);
        format!("aYhba4dGQEHhs3uEe6CuLN4ByNQ.{serial}")
            .parse()
            .unwrap()
    };
    for number in 0..200 {
        let issued = NOW - 30 * DAY + i64::from(number) * 3_600;
        server
            .register(&id(number).to_string(), issued, issued + 90 * DAY)
            .await;
    }
    let ca = "example".parse().unwrap();
    let all = async || {
        let outlook = server.engine.outlook(&ca).await.unwrap().unwrap();
        let loads = outlook.slots.iter().map(|slot| slot.load.expected());
        loads.sum::<f64>()
    };
    let before = all().await;
    assert!(before > 100.0, "{before}");
    for number in 0..50 {
        let dead = Successor::Order("dead".to_owned());
        server.engine.succeed(&id(number * 4), &dead).await.unwrap();
    }
    server.clock.set(NOW + 60);
    let after = all().await;
    assert!((after / before - 0.75).abs() < 0.03, "{before} {after}");
    let path = format!("/renewal-info/{}", id(0));
    assert_eq!(server.get(&path).await.status(), 200);
}
