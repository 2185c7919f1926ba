//! More new orders than the upstream bears: held first, turned away last.

use std::sync::Arc;

use instant_acme::NewOrder;
use offpeak::domain::time::Timestamp;
use offpeak::store::{Migrations, connect};
use reqwest::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::acme::{Front, dns, finish};
use super::faults::{BUSY, post, post_as, signed};
use super::pebble::Pebble;
use super::watching::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_is_held_and_served_whole() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "new_orders_per_second = 10");
    let account = front.account().await;
    let orders = (0..40).map(|n| {
        let account = account.clone();
        tokio::spawn(async move {
            let names = dns(&[&format!("a{n}.example")]);
            account.new_order(&NewOrder::new(&names)).await.map(drop)
        })
    });
    for order in orders.collect::<Vec<_>>() {
        order.await.unwrap().expect("an order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_orders_get_a_second_and_begun_ones_continue() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    // One order in a hundred seconds, and none waits.
    let front = Front::of(&pebble, "new_orders_per_second = 0.01\nhold = \"0s\"");
    let account = front.account().await;
    let names = dns(&["a.example"]);
    let mut begun = account
        .new_order(&NewOrder::new(&names))
        .await
        .expect("an order");
    let report = report(post(&front, "/order-plz").await).await;
    assert!((60..=86_400).contains(&report), "{report}");
    // Who asks again hears of the same second.
    let again = self::report(post(&front, "/order-plz").await).await;
    assert!(report.abs_diff(again) <= 30, "{report}, then {again}");
    // instant-acme has no notion of it, and reads what the contract says.
    match account
        .new_order(&NewOrder::new(&dns(&["b.example"])))
        .await
    {
        Err(instant_acme::Error::Api(problem)) => {
            let kind = problem.r#type.unwrap_or_default();
            assert_eq!(kind, "urn:ietf:params:acme:error:rateLimited");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("there was no room"),
    }
    let (chain, _) = finish(&mut begun).await;
    assert!(chain.contains("BEGIN CERTIFICATE"));
}

/// Reads a 503 to the octet, and says how many seconds it tells.
async fn report(answer: Response) -> u32 {
    assert_eq!(answer.status(), 503);
    let headers = answer.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["replay-nonce"], "own-nonce");
    assert_eq!(answer.text().await.unwrap(), BUSY);
    headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_its_own_limit_gets_429_and_others_continue() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "account_orders = 1\naccount_period = \"1h\"");
    let account = front.account().await;
    let names = dns(&["a.example"]);
    account
        .new_order(&NewOrder::new(&names))
        .await
        .expect("an order");
    match account.new_order(&NewOrder::new(&names)).await {
        Err(instant_acme::Error::Api(problem)) => assert_eq!(problem.status, Some(429)),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the account is over its limit"),
    }
    let other = front.account().await;
    other
        .new_order(&NewOrder::new(&names))
        .await
        .expect("an order");
}

#[tokio::test(flavor = "multi_thread")]
async fn held_requests_get_a_second_when_the_process_stops() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    // The second order's turn comes after 16 s, within the 20 s that it may be held.
    let front = Arc::new(Front::of(&pebble, "new_orders_per_second = 0.0625"));
    let first = post(&front, "/order-plz").await;
    assert_eq!(first.status(), 400, "its signature is no account's");
    let held = {
        let front = Arc::clone(&front);
        tokio::spawn(async move { post(&front, "/order-plz").await })
    };
    until(async || {
        let metrics = front.server.api.admin_get("/metrics").await;
        let metrics = metrics.text().await.unwrap();
        let held = "offpeak_gateway_held{gateway=\"acme\"} 1";
        metrics.lines().any(|line| line == held).then_some(())
    })
    .await;
    front.server.signal("TERM");
    let report = report(held.await.unwrap()).await;
    assert!((60..=600).contains(&report), "{report}");
    let mut server = Arc::into_inner(front).expect("nobody else has it").server;
    assert!(server.ended().success(), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_remembered_over_a_restart() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let mut front = Front::of(&pebble, "");
    let account = front.account().await;
    let database = format!(
        "sqlite:{}",
        front.folder.path().join("offpeak.db").display()
    );
    let mut counts = Vec::new();
    for failures in [2, 3] {
        for _ in 0..failures {
            // Pebble refuses a wildcard amid a label.
            let refused = account
                .new_order(&NewOrder::new(&dns(&["a*.example"])))
                .await;
            assert!(refused.is_err());
        }
        front.server.signal("TERM");
        assert!(front.server.ended().success(), "{}", front.server.log());
        let store = connect(&database, Migrations::RefusePending).await.unwrap();
        let kept = store.failures_since(Timestamp::from_unix(0), 9).await;
        counts.push(kept.unwrap().iter().map(|of| of.count).collect::<Vec<_>>());
        drop(store);
        front.restart();
    }
    assert_eq!(counts, [[2], [5]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_sent_to_where_orders_are_made_asks_for_admission() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    let front = Front::of(&pebble, "new_orders_per_second = 0.01\nhold = \"0s\"");
    let account = front.account().await;
    let names = dns(&["a.example"]);
    account.new_order(&NewOrder::new(&names)).await.unwrap();
    let jose = "application/jose+json";
    let plain = signed(&front.url("/order-plz"));
    // JSON may write any character so; some servers take any media type, and names of members in any case.
    let escaped = plain.replacen("\"payload\":\"e", "\"payload\":\"\\u0065", 1);
    assert_ne!(escaped, plain);
    let payload = serde_json::from_str::<serde_json::Value>(&plain).unwrap()["payload"].clone();
    // {"Identifiers":[]}
    let other = plain.replacen(payload.as_str().unwrap(), "eyJJZGVudGlmaWVycyI6W119", 1);
    for (kind, body) in [(jose, &escaped), ("text/plain", &plain), (jose, &other)] {
        let answer = post_as(&front, "/order-plz", kind, body.clone()).await;
        assert_eq!(answer.status(), 503, "{kind}: {body}");
    }
    // A member that comes twice is read in two ways.
    let twice = plain.replacen('{', "{\"payload\":\"\",", 1);
    let answer = post_as(&front, "/order-plz", jose, twice).await;
    assert_eq!(answer.status(), 400);
    let problem = answer.text().await.unwrap();
    assert!(problem.contains("no flattened JWS"), "{problem}");
    assert_eq!(front.answered("new-order", 201).await, 1);
}

/// A proxy may take what says that an answer comes for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_are_sent_only_without_a_proxy() {
    let Some(pebble) = Pebble::start() else {
        return;
    };
    // The second order's turn comes after 100 s: more than the 40 s that certbot is held without.
    let roots = format!("upstream_roots = '{}'", pebble.certificate.display());
    let more = format!("new_orders_per_second = 0.01\n{roots}");
    let front = Front::over_http(&pebble.directory, &more);
    let body = signed(&front.url("/order-plz"));
    let address = front.url("").trim_start_matches("http://").to_owned();
    let ask = async |version: &str, more: &str| {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        let request = format!(
            "POST /order-plz {version}\r\nhost: {address}\r\nuser-agent: CertbotACMEClient/5.8.0\r\n{more}\
             content-type: application/jose+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 25];
        connection.read_exact(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    };
    let first = ask("HTTP/1.1", "").await;
    assert!(
        first.starts_with("HTTP/1.1 400 "),
        "its signature is no account's: {first}"
    );
    for (version, more) in [
        ("HTTP/1.0", ""),
        ("HTTP/1.1", "x-forwarded-for: 192.0.2.7\r\n"),
        ("HTTP/1.1", "forwarded: for=192.0.2.7\r\n"),
        ("HTTP/1.1", "via: 1.1 proxy\r\n"),
    ] {
        let report = ask(version, more).await;
        assert!(report.contains(" 503 "), "{version} {more}: {report}");
    }
    assert_eq!(ask("HTTP/1.1", "").await, "HTTP/1.1 100 Continue\r\n\r\n");
}
