//! What a body costs in memory, however bad it is.

use std::fmt::Write as _;

use offpeak::domain::time::DAY;
use offpeak::engine::clock::{Clock as _, SystemClock};
use reqwest::StatusCode;
use serde_json::Value;

use crate::process::Server;
use crate::support::fresh_sqlite;

/// What a request may cost beside what the process needs anyway.
const MOST_OCTETS: u64 = 64 << 20;

/// 150 lines of a mebioctet: kept whole, or at the size of their values, they would be several
/// times the bound.
const LINES: usize = 150;
const LINE_OCTETS: usize = 1 << 20;

/// A line of nearly a mebioctet, which is the most that is looked at.
fn line(before: &str, filling: &str, after: &str) -> String {
    let room = LINE_OCTETS - before.len() - after.len() - 100;
    let filling = filling.repeat(room / filling.len());
    format!("{before}{filling}{after}\n")
}

/// A body whose every record is bad, and where it goes.
struct Bad {
    path: String,
    media_type: &'static str,
    body: String,
}

fn bad(path: &str, media_type: &'static str, head: &str, line: &str) -> Bad {
    let mut body = head.to_owned();
    for _ in 0..LINES {
        body.push_str(line);
    }
    Bad {
        path: path.to_owned(),
        media_type,
        body,
    }
}

fn all(incident: &str) -> Vec<Bad> {
    const NDJSON: &str = "application/x-ndjson";
    let (certificates, observations) = ("/v1/certificates", "/v1/observations");
    let members = &format!("/v1/incidents/{incident}/certificates");
    let pem = "-----BEGIN CERTIFICATE-----\n".to_owned()
        + &line("", "A", "")
        + "-----END CERTIFICATE-----\n";
    let mut many = String::new();
    for number in 0..1_000_000 {
        // The shortest lines that are records, each of them bad.
        writeln!(many, "{}", number % 10).unwrap();
    }
    let short = many.repeat(5);
    vec![
        bad(
            certificates,
            NDJSON,
            "",
            &line(r#"{"certId":""#, "x", r#""}"#),
        ),
        bad(
            certificates,
            NDJSON,
            "",
            &line(r#"{"certId":""#, r"\u0001", r#""}"#),
        ),
        bad(
            certificates,
            NDJSON,
            "",
            &line(r#"{"certId":["#, r#"{"":0},"#, "0]}"),
        ),
        bad(certificates, NDJSON, "", &line(r#"{""#, "x", r#"":1}"#)),
        bad(certificates, NDJSON, "", &line(r#"{"pem":""#, "x", r#""}"#)),
        bad(certificates, NDJSON, &short, ""),
        bad(certificates, "text/csv", "", &line("cert_id", "x", "")),
        bad(
            certificates,
            "text/csv",
            "cert_id,not_before,not_after\n",
            &line("x", ",", "")[LINE_OCTETS - (64 << 10)..],
        ),
        bad(certificates, "application/x-pem-file", "", &pem),
        bad(
            certificates,
            "application/x-pem-file",
            "",
            &line("-----BEGIN ", "x", "-----"),
        ),
        bad(observations, NDJSON, "", &line(r#"{"at":""#, "x", r#""}"#)),
        bad(
            observations,
            NDJSON,
            "",
            &line(r#"{"kind":""#, "x", r#""}"#)[..60 << 10],
        ),
        bad(
            observations,
            "text/csv",
            "at,kind,count\n",
            &line("", "x", ""),
        ),
        bad(members, NDJSON, "", &line(r#"{"certId":""#, "x", r#""}"#)),
        bad(members, "text/plain", "", &line("", "x.", "")),
        bad(members, "text/csv", "cert_id\n", &line("", "x", "")),
    ]
}

#[tokio::test]
async fn bad_records_cost_little_memory_however_long_they_are() {
    let database = fresh_sqlite();
    let server = Server::on(&database.url());
    let renew_by = SystemClock.now() + DAY;
    let drill = format!(
        "{{\"kind\":\"drill\",\"ca\":\"default\",\"name\":\"memory\",\"renewBy\":\"{renew_by}\"}}"
    );
    let drafted = server.api.send("/v1/incidents", "application/json", drill);
    let drafted: Value = drafted.await.unwrap().json().await.unwrap();
    assert!(drafted["id"].is_u64(), "{drafted}");
    for bad in all(&drafted["id"].to_string()) {
        let before = server.most_resident_octets();
        let Bad {
            path,
            media_type,
            body,
        } = bad;
        let report = body[..30].to_owned();
        let answer = server.api.send(&path, media_type, body).await.unwrap();
        assert_eq!(
            answer.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{path} {report}"
        );
        let taken = server.most_resident_octets() - before;
        assert!(
            taken < MOST_OCTETS,
            "{path} {media_type} {report}: {taken} octets"
        );
    }
}

#[tokio::test]
async fn eight_bodies_of_bad_records_at_once_cost_eight_times_as_much_at_most() {
    let database = fresh_sqlite();
    let server = Server::on(&database.url());
    let before = server.most_resident_octets();
    let sending = (0..8).map(|_| {
        let api = server.api.clone();
        tokio::spawn(async move {
            let line = line(r#"{"certId":""#, "x", r#""}"#).repeat(LINES);
            api.send("/v1/certificates", "application/x-ndjson", line)
                .await
        })
    });
    for sent in futures_util::future::join_all(sending).await {
        let answer = sent.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let taken = server.most_resident_octets() - before;
    assert!(taken < 8 * MOST_OCTETS, "{taken} octets");
}
