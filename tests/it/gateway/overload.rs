//! More new orders than the upstream bears: held first, turned away last.

use instant_acme::NewOrder;
use reqwest::Response;

use super::acme::{Front, dns, finish};
use super::faults::{BUSY, post};
use super::pebble::Pebble;

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
async fn what_finds_no_place_is_told_its_second_and_an_order_that_was_begun_goes_on() {
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
    let told = told(post(&front, "/order-plz").await).await;
    assert!((60..=86_400).contains(&told), "{told}");
    // Who asks again hears of the same second.
    let again = self::told(post(&front, "/order-plz").await).await;
    assert!(told.abs_diff(again) <= 30, "{told}, then {again}");
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
async fn told(answer: Response) -> u32 {
    assert_eq!(answer.status(), 503);
    let headers = answer.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["replay-nonce"], "own-nonce");
    assert_eq!(answer.text().await.unwrap(), BUSY);
    headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_over_its_own_limit_is_told_429_and_others_go_on() {
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
