//! Certificates go through octet for octet and are known before the client asks.

use instant_acme::NewOrder;
use offpeak::config::Config;
use offpeak::domain::time::MINUTE;
use offpeak::engine::clock::{Clock, SystemClock};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::acme::{Front, dns, issue, trusting};
use super::pebble::Pebble;
use crate::server::TestServer;

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_is_the_upstream_s_with_our_renewal_info() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let get = async |http: &reqwest::Client, url: &str| -> Value {
        http.get(url).send().await.unwrap().json().await.unwrap()
    };
    let through = get(&front.http, &front.directory).await;
    let direct = get(&trusting(&pebble.certificate), &pebble.directory).await;
    let ours = front.url("/renewal-info");
    assert_eq!(through["renewalInfo"], ours);
    let mut without = through.as_object().unwrap().clone();
    without.remove("renewalInfo");
    let front_origin = front.url("");
    let pebble_origin = pebble.directory.trim_end_matches("/dir");
    let text = Value::Object(without)
        .to_string()
        .replace(&front_origin, pebble_origin);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), direct);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_has_its_window_when_the_client_has_the_chain() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let account = front.account().await;
    let names = dns(&["a.example", "b.example"]);
    let (chain, id) = issue(&account, &NewOrder::new(&names)).await;
    assert!(chain.matches("BEGIN CERTIFICATE").count() >= 2, "{chain}");
    let (status, info) = front.renewal_info(&id).await;
    assert_eq!(status, 200, "{info}");
    let start = info["suggestedWindow"]["start"].as_str().unwrap();
    let end = info["suggestedWindow"]["end"].as_str().unwrap();
    assert!(start < end, "{info}");
    // The same client asks as RFC 9773 says, where the directory sends it.
    let asked = instant_acme_info(&account, &chain).await;
    assert_eq!(asked, info["suggestedWindow"]["start"].as_str().unwrap());
    let explained = front.explained(&id).await;
    assert_eq!(explained["replacedBy"], Value::Null, "{explained}");
    // What the public listener of the same process says is the same.
    let path = format!("/renewal-info/{id}");
    let public: Value = front.server.api.get(&path).await.json().await.unwrap();
    assert_eq!(public, info);
    assert_eq!(front.renewal_info("AQ.AQ").await.0, 404);
    assert_eq!(front.renewal_info("x").await.0, 400);
}

async fn instant_acme_info(account: &instant_acme::Account, chain: &str) -> String {
    let der = super::acme::first_der(chain);
    let id = instant_acme::CertificateIdentifier::try_from(&der).unwrap();
    let (info, _) = account
        .renewal_info(&id)
        .await
        .expect("renewal information");
    let start = info.suggested_window.start.unix_timestamp();
    offpeak::domain::time::Timestamp::from_unix(start).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_upstream_can_be_reached() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    // What a proxy would follow: a URL in absolute form, and a host that is another's.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other_address = other.local_addr().unwrap();
    let reached = tokio::spawn(async move { other.accept().await });
    let answer = front
        .http
        .get(&front.directory)
        .header("host", other_address.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let directory: Value = answer.json().await.unwrap();
    // It is told the host that it named, as everybody is.
    assert_eq!(
        directory["renewalInfo"],
        format!("https://{other_address}/renewal-info")
    );
    let answer = front
        .http
        .get(format!("{}//{other_address}/x", front.url("")))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 404);
    assert!(!reached.is_finished(), "somebody else was reached");
    reached.abort();
}

/// Behind the upstream's host and port it would be part of the port, and lead to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_no_path_reaches_nobody() {
    // Nobody listens there, and nobody is asked.
    let front = Front::over_http("http://127.0.0.1:9/directory", "");
    let address = front.url("").trim_start_matches("http://").to_owned();
    for target in ["*", "*:80/x"] {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "POST {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    let log = front.server.log();
    assert!(!log.contains("upstream_failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_through_is_counted_by_the_minute() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "");
    let account = front.account().await;
    issue(&account, &NewOrder::new(&dns(&["a.example"]))).await;
    // Pebble refuses a wildcard amid a label.
    let refused = account
        .new_order(&NewOrder::new(&dns(&["a*.example"])))
        .await;
    assert!(refused.is_err());
    let metrics = front
        .server
        .api
        .admin_get("/metrics")
        .await
        .text()
        .await
        .unwrap();
    let count = |endpoint: &str, status: &str| {
        let label = format!(
            "offpeak_gateway_requests_total{{gateway=\"acme\",endpoint=\"{endpoint}\",status=\"{status}\"}} "
        );
        let line = metrics.lines().find_map(|line| line.strip_prefix(&label));
        line.and_then(|number| number.parse::<u64>().ok())
            .unwrap_or(0)
    };
    for (endpoint, status) in [
        ("directory", "200"),
        ("new-account", "201"),
        ("new-order", "201"),
        ("new-order", "400"),
        ("authorization", "200"),
        ("challenge", "200"),
        ("finalize", "200"),
        ("certificate", "200"),
    ] {
        assert!(
            count(endpoint, status) >= 1,
            "{endpoint} {status}: {metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_hour_has_what_went_through_by_minute_and_endpoint() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let mut front = Front::of(&pebble, "");
    let account = front.account().await;
    issue(&account, &NewOrder::new(&dns(&["a.example"]))).await;
    // Pebble refuses a wildcard amid a label; the second time it is a retry. Three accounts: what one gets wrong
    // says nothing of the CA.
    for account in [account, front.account().await, front.account().await] {
        for _ in 0..2 {
            let names = dns(&["a*.example"]);
            assert!(account.new_order(&NewOrder::new(&names)).await.is_err());
        }
    }
    // Whatever is not in the store by then is lost.
    front.server.signal("TERM");
    assert!(front.server.ended().success(), "{}", front.server.log());
    let database = format!(
        "sqlite:{}",
        front.folder.path().join("offpeak.db").display()
    );
    let reader = TestServer::on(&database, Config::default()).await;
    let over = Clock::now(&SystemClock) + 2 * MINUTE;
    reader.clock.set(over);
    reader.engine.catch_up().await.unwrap();
    let live = crate::server::json(reader.get("/v1/live").await).await;
    // Whatever was counted may lie in two minutes.
    let of = |endpoint: Value| {
        let series = live["series"].as_array().unwrap().iter();
        let mut of = series.filter(|series| series["endpoint"] == endpoint);
        let series = of.next().unwrap_or_else(|| panic!("no {endpoint}: {live}"));
        assert_eq!(series["source"], "ca");
        let points = series["points"].as_array().unwrap().iter();
        points.filter(|point| !point.is_null()).collect::<Vec<_>>()
    };
    let failed = |endpoint: Value| {
        let (mut tried, mut failed) = (0.0, 0.0);
        for point in of(endpoint) {
            let load = point["load"].as_f64().unwrap();
            tried += load;
            failed += load * point["failureRate"].as_f64().unwrap_or(0.0);
        }
        format!("{:.2}", failed / tried)
    };
    assert_eq!(failed("new-order".into()), "0.75", "{live}");
    assert_eq!(failed("new-order-again".into()), "1.00", "{live}");
    // Of the orders that were made.
    assert_eq!(failed(Value::Null), "0.00", "{live}");
    for endpoint in [
        "new-order",
        "new-account",
        "authorization",
        "challenge",
        "finalize",
        "certificate",
    ] {
        let points = of(endpoint.into());
        let fast = points
            .iter()
            .any(|point| point["latencyMs"].as_f64() > Some(0.0));
        assert!(fast, "{endpoint}: {live}");
    }
}
