//! Bulk bodies: what the status says, and what comes compressed.

use std::io::Write as _;

use offpeak::domain::time::DAY;
use reqwest::{Method, Response, StatusCode};
use serde_json::json as value;

use crate::server::{NOW, TestServer, json};

const CERTIFICATES: &str = "/v1/certificates";
const OBSERVATIONS: &str = "/v1/observations";
const NDJSON: &str = "application/x-ndjson";

async fn post(
    server: &TestServer,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response {
    let mut request = server.as_admin(Method::POST, path);
    for (name, content) in headers {
        request = request.header(*name, *content);
    }
    request.body(body).send().await.unwrap()
}

fn certificates(first: u32, count: u32) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    (first..first + count)
        .map(|number| {
            let id = format!(
                "aYhba4dGQEHhs3uEe6CuLN4ByNQ.{}",
                engine.encode(number.to_be_bytes())
            );
            let not_after = NOW + 90 * DAY;
            value!({"certId": id, "notBefore": NOW, "notAfter": not_after}).to_string() + "\n"
        })
        .collect()
}

fn packed(coding: &str, text: &str) -> Vec<u8> {
    match coding {
        "br" => {
            let mut packed = Vec::new();
            brotli::CompressorWriter::new(&mut packed, 4_096, 5, 22)
                .write_all(text.as_bytes())
                .unwrap();
            packed
        }
        "gzip" => {
            let level = flate2::Compression::fast();
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        }
        _ => zstd::bulk::compress(text.as_bytes(), 3).unwrap(),
    }
}

#[tokio::test]
async fn a_body_whose_every_record_is_rejected_is_422_with_its_report() {
    let server = TestServer::start().await;
    let drill = value!({"kind": "drill", "ca": "example", "name": "x", "renewBy": NOW + DAY});
    let json_type = [("content-type", "application/json")];
    let drafted = post(
        &server,
        "/v1/incidents",
        &json_type,
        drill.to_string().into(),
    )
    .await;
    assert_eq!(drafted.status(), StatusCode::CREATED);
    let members = format!("/v1/incidents/{}/certificates", json(drafted).await["id"]);
    let ndjson = [("content-type", NDJSON)];
    let observation =
        format!("{{\"at\":\"{NOW}\",\"kind\":\"issued\",\"count\":1,\"ca\":\"example\"}}\n");
    for (path, good) in [
        (CERTIFICATES, certificates(0, 1)),
        (OBSERVATIONS, observation),
        (
            &members,
            "{\"certId\":\"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AQ\"}\n".to_owned(),
        ),
    ] {
        for (body, status, rejected) in [
            ("{}\n[]\n".to_owned(), StatusCode::UNPROCESSABLE_ENTITY, 2),
            (format!("{{}}\n{good}"), StatusCode::OK, 1),
            (good.clone(), StatusCode::OK, 0),
            (String::new(), StatusCode::OK, 0),
        ] {
            let answer = post(&server, path, &ndjson, body.clone().into()).await;
            assert_eq!(answer.status(), status, "{path} {body}");
            assert_eq!(answer.headers()["content-type"], "application/json");
            let report = json(answer).await;
            assert_eq!(report["rejected"], rejected, "{path} {report}");
            assert_eq!(report["errors"].as_array().unwrap().len(), rejected);
        }
    }
}

#[tokio::test]
async fn bulk_bodies_may_come_compressed() {
    let server = TestServer::start().await;
    for (at, coding) in (0..).zip(["br", "gzip", "zstd"]) {
        let text = certificates(at * 3_000, 3_000);
        let headers = [("content-type", NDJSON), ("content-encoding", coding)];
        let whole = packed(coding, &text);
        // Cut off: what was durable before stays, and the whole may come again.
        let cut = whole[..whole.len() / 2].to_vec();
        let answer = post(&server, CERTIFICATES, &headers, cut).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{coding}");
        let detail = json(answer).await["detail"].to_string();
        assert!(detail.contains("as its Content-Encoding says"), "{detail}");
        assert!(detail.contains("may be sent again"), "{detail}");
        let report = json(post(&server, CERTIFICATES, &headers, whole).await).await;
        let taken = report["accepted"].as_u64().unwrap() + report["unchanged"].as_u64().unwrap();
        assert_eq!(taken, 3_000, "{report}");
    }
    assert_eq!(server.engine.certificates_indexed(), 9_000);
}

#[tokio::test]
async fn the_same_observations_under_one_key_count_once_in_whatever_coding() {
    let server = TestServer::start().await;
    let text = format!("{{\"at\":\"{NOW}\",\"kind\":\"issued\",\"count\":1,\"ca\":\"example\"}}\n");
    let mut first = None;
    for coding in ["zstd", "gzip", "identity"] {
        let headers = [
            ("content-type", NDJSON),
            ("content-encoding", coding),
            ("idempotency-key", "one"),
        ];
        let body = match coding {
            "identity" => text.clone().into_bytes(),
            coding => packed(coding, &text),
        };
        let answer = post(&server, OBSERVATIONS, &headers, body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{coding}");
        let report = json(answer).await;
        assert_eq!(first.get_or_insert_with(|| report.clone()), &report);
    }
}

#[tokio::test]
async fn a_coding_that_is_not_taken_is_415_and_names_those_that_are() {
    let server = TestServer::start().await;
    for (path, media_type, coding, taken) in [
        (CERTIFICATES, NDJSON, "deflate", "br, gzip, zstd"),
        (OBSERVATIONS, NDJSON, "gzip, br", "br, gzip, zstd"),
        ("/v1/incidents", "application/json", "gzip", "identity"),
    ] {
        let headers = [("content-type", media_type), ("content-encoding", coding)];
        let answer = post(&server, path, &headers, b"{}".to_vec()).await;
        assert_eq!(
            answer.status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{path}"
        );
        assert_eq!(answer.headers()["accept-encoding"], taken);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    // RFC 9110 section 12.5.3: not where the media type was the fault.
    let answer = post(
        &server,
        CERTIFICATES,
        &[("content-type", "text/plain")],
        Vec::new(),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(!answer.headers().contains_key("accept-encoding"));
}

#[tokio::test]
async fn a_body_that_unpacks_beyond_all_measure_is_413() {
    let server = TestServer::start().await;
    let blank = "\n".repeat((64 << 20) + 1);
    let headers = [("content-type", NDJSON), ("content-encoding", "zstd")];
    let answer = post(&server, OBSERVATIONS, &headers, packed("zstd", &blank)).await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let detail = json(answer).await["detail"].to_string();
    assert!(detail.contains("100 times"), "{detail}");
}
