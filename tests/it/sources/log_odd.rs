//! Lines that anybody may write into a log, and lines that are lost before they are read.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use offpeak::domain::demand::observation::{Kind, Observation};
use offpeak::domain::time::{HOUR, MINUTE, Timestamp};
use offpeak::engine::SourceState;
use offpeak::engine::clock::{Clock as _, SystemClock};
use offpeak::ingest::x509::Facts;
use serde_json::json;

use super::ct::hex;
use super::log::Case;
use crate::issuance::TestCa;

/// A new order at a time of November 2026, as nginx writes it where the client says that this is its name.
pub(super) fn order(user: &str, day: u32, time: &str) -> String {
    format!(
        "192.0.2.1 - {user} [{day:02}/Nov/2026:{time} +0000] \"POST /acme/new-order HTTP/2.0\" 201 345 \"-\" \"x\"\n"
    )
}

fn json(minute: u32) -> String {
    format!(
        "{{\"time\":\"2026-11-28T12:{minute:02}:00Z\",\"time_local\":\"28/Nov/2026:12:{minute:02}:00 +0000\",\
         \"request\":\"POST /acme/new-order HTTP/2.0\",\"request_uri\":\"/acme/new-order\",\"uri\":\"/x\",\
         \"request_method\":\"POST\",\"status\":201}}\n"
    )
}

/// As many minutes of these hours as the log is known to have been alive in, from the first on.
pub(super) async fn known_minutes(case: &Case, from: &str, hours: i64) -> i64 {
    let from: Timestamp = from.parse().unwrap();
    let to = from + hours * HOUR;
    let observed = case.observed().await;
    let covered = |minute: &i64| {
        let at = from + minute * MINUTE;
        let of = |at: Timestamp, seconds: u32| (at, at + i64::from(seconds));
        observed.iter().any(|one| {
            let (begin, end) = of(one.at, one.seconds);
            one.kind == Kind::Attempt && begin <= at && at + MINUTE <= end
        })
    };
    let minutes = (to - from) / MINUTE;
    i64::try_from((0..minutes).filter(covered).count()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_with_a_bracket_stops_no_log() {
    let case = Case::new("nginx-combined").await;
    for number in 0..30 {
        let user = if number % 3 == 0 { "-" } else { "[" };
        case.append("acme.log", &order(user, 28, &format!("12:{number:02}:00")));
    }
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 30);
    assert_eq!(case.engine.source_reports()[0].skipped, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_lines_are_reported_and_skipped() {
    let mut case = Case::new("nginx-json").await;
    case.clock.set("2026-11-28T12:00:30Z".parse().unwrap());
    let broken = "{\"request\":\"POST /acme/new-order HTTP/2.0\",\"status\":201\n";
    case.append("acme.log", &broken.repeat(30));
    let refused = case.read().await.unwrap_err().to_string();
    assert!(refused.contains("none of 30 lines"), "{refused}");
    // One that fits shows that the others are to blame and not the configuration.
    case.append("acme.log", &json(0));
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 1);
    let report = &case.engine.source_reports()[0];
    assert_eq!((report.state, report.skipped), (SourceState::Reading, 30));
    // And does so from then on.
    case.append("acme.log", &broken.repeat(5));
    case.clock.set("2026-11-28T12:31:30Z".parse().unwrap());
    case.read().await.unwrap();
    assert_eq!(case.engine.source_reports()[0].skipped, 5);
    // Whether anything was asked for since is unknown, …
    assert_eq!(known_minutes(&case, "2026-11-28T12:00:00Z", 1).await, 0);
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(known_minutes(&case, "2026-11-28T12:00:00Z", 1).await, 0);
    // … until a line shows that what could not be read was no order.
    case.append("acme.log", &json(31));
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 2);
    assert_eq!(known_minutes(&case, "2026-11-28T12:00:00Z", 1).await, 32);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_were_lost_are_a_gap() {
    let mut case = Case::new("nginx-combined").await;
    case.clock.set("2026-11-21T00:00:00Z".parse().unwrap());
    case.append("acme.log", &order("-", 20, "12:00:00"));
    case.append("acme.log", &order("-", 20, "14:00:00"));
    case.read().await.unwrap();
    assert_eq!(known_minutes(&case, "2026-11-20T12:00:00Z", 12).await, 720);
    // Rotated away while nobody looked: the log begins three days later.
    case.clock.set("2026-11-24T13:00:00Z".parse().unwrap());
    fs::remove_file(case.path("acme.log")).unwrap();
    case.append("acme.log.1", &order("-", 24, "06:00:00"));
    case.append("acme.log", &order("-", 24, "12:00:00"));
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(case.count(Kind::Attempt).await, 4);
    assert_eq!(known_minutes(&case, "2026-11-21T00:00:00Z", 78).await, 0);
    assert_eq!(known_minutes(&case, "2026-11-24T06:00:00Z", 7).await, 420);
    // And where it was found again under another name, what it does not say was not asked.
    fs::rename(case.path("acme.log"), case.path("acme.log.2")).unwrap();
    case.append("acme.log", &order("-", 25, "12:00:00"));
    case.clock.set("2026-11-25T12:01:00Z".parse().unwrap());
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(
        known_minutes(&case, "2026-11-24T13:00:00Z", 23).await,
        1_380
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_empty_after_its_past_was_lost_says_nothing_of_it() {
    let mut case = Case::new("nginx-combined").await;
    case.clock.set("2026-11-20T12:00:10Z".parse().unwrap());
    case.append("acme.log", &order("-", 20, "12:00:00"));
    case.read().await.unwrap();
    fs::remove_file(case.path("acme.log")).unwrap();
    case.append("acme.log", "");
    case.clock.set("2026-11-22T12:00:00Z".parse().unwrap());
    case.restart().await;
    case.read().await.unwrap();
    assert_eq!(known_minutes(&case, "2026-11-20T13:00:00Z", 47).await, 0);
    case.append("acme.log", &order("-", 22, "12:00:30"));
    case.clock.set("2026-11-22T13:00:00Z".parse().unwrap());
    case.read().await.unwrap();
    assert_eq!(known_minutes(&case, "2026-11-22T12:00:00Z", 1).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_lines_show_are_registered() {
    let ca = TestCa::new();
    let (certificate, _) = ca.issue("a.example", &[0x03, 0xa1, 0xb2]);
    let (der, now) = (certificate.der(), SystemClock.now());
    let facts = Facts::of(der).unwrap();
    let (id, validity) = (facts.id.unwrap(), facts.validity.unwrap());
    let openbao = json!({
        "time": now.to_string(), "type": "response",
        "request": {"id": "a", "operation": "update", "path": "pki/issue/web"},
        "response": {"data": {"certificate": certificate.pem()}},
    });
    let step_ca = json!({
        "time": now.to_string(), "method": "POST", "path": "/acme/acme/certificate/x", "status": 200,
        "certificate": STANDARD.encode(der),
    });
    let authority = format!(
        "{now} 6 boulder-ca x [AUDIT] Signing cert success: serial=[03a1b2] certificate=[{}]",
        hex(der)
    );
    let audit = json!({
        "ResponseTime": now.to_string(), "SerialNumber": "03a1b2",
        "NotBefore": validity.not_before.to_string(), "NotAfter": validity.not_after.to_string(),
    });
    let audit =
        format!("{now} 6 boulder-ra x [AUDIT] Certificate request - successful JSON={audit}");
    for (format, lines) in [
        ("openbao", vec![openbao.to_string()]),
        ("step-ca", vec![step_ca.to_string()]),
        ("boulder-ra", vec![authority.clone()]),
        // Of both it is the same certificate.
        ("boulder-ra", vec![audit, authority]),
    ] {
        let issuer = id.key_identifier.to_string();
        let head = format!("[[ca]]\nname = \"default\"\nissuers = [\"{issuer}\"]\n");
        let case = Case::with(format, head).await;
        case.clock.set(now + MINUTE);
        for line in &lines {
            case.append("acme.log", &format!("{line}\n"));
            case.read().await.unwrap();
            assert_eq!(case.engine.certificates_indexed(), 1, "{format}: {line}");
        }
    }
}

/// Lines that `OpenBao` 2.7 wrote, hashed and not, of certificates issued and refused by its own API and by ACME.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_audit_log_of_openbao_shows_what_was_refused_and_issued() {
    let case = Case::new("openbao").await;
    case.clock.set("2026-11-29T12:30:00Z".parse().unwrap());
    case.append("acme.log", include_str!("corpus/openbao.json"));
    case.read().await.unwrap();
    // Five by its own API, of which two went well; four new orders, of which two did, and were finalized.
    let mut counts = Vec::new();
    for kind in [Kind::Attempt, Kind::Issued, Kind::Failed] {
        counts.push(case.count(kind).await);
    }
    assert_eq!(counts, [9, 4, 5]);
    let observed = case.observed().await;
    let malformed = |one: &&Observation| {
        one.error_type.as_deref() == Some("urn:ietf:params:acme:error:malformed")
    };
    assert_eq!(observed.iter().filter(malformed).count(), 1);
    assert_eq!(case.engine.certificates_indexed(), 2);
}
