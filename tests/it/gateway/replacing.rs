//! `replaces` (RFC 9773 section 5).

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use instant_acme::{Account, CertificateIdentifier, NewAccount, NewOrder, Order};
use serde_json::{Value, json};

use super::acme::{Front, Http, Through, as_json, dns, first_der, issue, settled};
use super::pebble::Pebble;
use crate::support::fresh_postgres;

/// A certificate to replace, its account, and everything around it.
struct Scene {
    pebble: Pebble,
    front: Front,
    account: Account,
    chain: String,
    id: String,
}

impl Scene {
    async fn set(more: &str) -> Option<Self> {
        let pebble = Pebble::start()?;
        let front = Front::of(&pebble, more);
        let account = front.account().await;
        let (chain, id) = issue(&account, &NewOrder::new(&dns(&["a.example", "b.example"]))).await;
        Some(Self {
            pebble,
            front,
            account,
            chain,
            id,
        })
    }

    /// Orders a replacement of the certificate for these names.
    async fn order(&self, account: &Account, names: &[&str]) -> Result<Order, instant_acme::Error> {
        let der = first_der(&self.chain);
        let replaced = CertificateIdentifier::try_from(&der).unwrap();
        let names = dns(names);
        account
            .new_order(&NewOrder::new(&names).replaces(replaced))
            .await
    }
}

fn refusal(outcome: Result<Order, instant_acme::Error>) -> (u16, String, String) {
    match outcome {
        Err(instant_acme::Error::Api(problem)) => (
            problem.status.unwrap_or_default(),
            problem.r#type.unwrap_or_default(),
            problem.detail.unwrap_or_default(),
        ),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_replaces_and_says_so_in_every_answer() {
    let Some(scene) = Scene::set("").await else {
        return;
    };
    let mut order = scene
        .order(&scene.account, &["b.example", "c.example"])
        .await
        .unwrap();
    assert_eq!(
        order.state().replaces.as_ref().map(ToString::to_string),
        Some(scene.id.clone())
    );
    let url = order.url().to_owned();
    let explained = scene.front.explained(&scene.id).await;
    assert!(explained["replacedBy"]["order"].is_string(), "{explained}");
    order.refresh().await.unwrap();
    assert_eq!(
        order.state().replaces.as_ref().map(ToString::to_string),
        Some(scene.id.clone())
    );
    let (_, new) = super::acme::finish(&mut order).await;
    let explained = settled(&scene.front, &scene.id).await;
    assert_eq!(explained["replacedBy"]["by"], new);
    // It stays so.
    let mut again = scene.account.order(url).await.unwrap();
    again.refresh().await.unwrap();
    assert_eq!(
        again.state().replaces.as_ref().map(ToString::to_string),
        Some(scene.id.clone())
    );
    let (status, kind, detail) = refusal(scene.order(&scene.account, &["a.example"]).await);
    assert_eq!(
        (status, &*kind),
        (409, "urn:ietf:params:acme:error:alreadyReplaced")
    );
    assert!(detail.contains("replaces"), "{detail}");
    drop(scene.pebble);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_a_check_is_refused_and_says_replaces() {
    let Some(scene) = Scene::set("").await else {
        return;
    };
    let other = scene.front.account().await;
    for (outcome, want_status, want_type) in [
        (
            scene.order(&other, &["a.example"]).await,
            403,
            "unauthorized",
        ),
        (
            scene.order(&scene.account, &["c.example"]).await,
            400,
            "malformed",
        ),
    ] {
        let (status, kind, detail) = refusal(outcome);
        assert_eq!(status, want_status, "{detail}");
        assert!(kind.ends_with(want_type), "{kind}");
        assert!(detail.contains("replaces"), "{detail}");
    }
    // Nothing of it is left: the one who may still can.
    scene.order(&scene.account, &["a.example"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_one_wins() {
    let Some(scene) = Scene::set("").await else {
        return;
    };
    let names = ["a.example"];
    let two = tokio::join!(
        scene.order(&scene.account, &names),
        scene.order(&scene.account, &names)
    );
    let won = [&two.0, &two.1]
        .iter()
        .filter(|outcome| outcome.is_ok())
        .count();
    assert_eq!(won, 1);
}

/// Two gateways of one name on one database.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_on_two_replicas_one_wins() {
    let (Some(pebble), Some(database)) = (Pebble::start(), fresh_postgres().await) else {
        return;
    };
    let roots = format!("upstream_roots = '{}'\n", pebble.certificate.display());
    let front = || Front::before(&pebble.directory, &roots, Some(&database.url()));
    let (one, two) = (front(), front());
    let new = NewAccount {
        contact: &[],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let by_one = Account::builder_with_http(Box::new(Http(one.http.clone())));
    let (by_one, credentials) = by_one
        .create(&new, one.directory.clone(), None)
        .await
        .unwrap();
    let by_two = Account::builder_with_http(Box::new(Through::replica(&two)));
    let by_two = by_two.from_credentials(credentials).await.unwrap();
    for round in 0..4 {
        let names = dns(&[&format!("r{round}.example")]);
        let (chain, _) = issue(&by_one, &NewOrder::new(&names)).await;
        let der = first_der(&chain).into_owned();
        let orders: Vec<_> = (0..6)
            .map(|n| {
                let account = if n % 2 == 0 { &by_one } else { &by_two }.clone();
                let (names, der) = (names.clone(), der.clone());
                tokio::spawn(async move {
                    let replaced = CertificateIdentifier::try_from(&der).unwrap();
                    let new = NewOrder::new(&names).replaces(replaced);
                    account.new_order(&new).await
                })
            })
            .collect();
        let mut taken = 0;
        for order in orders {
            match order.await.unwrap() {
                Ok(_) => taken += 1,
                refused => assert_eq!(refusal(refused).0, 409),
            }
        }
        assert_eq!(taken, 1, "round {round}");
    }
    // Both have answered.
    assert!(two.answered("new-order", 409).await + two.answered("new-order", 201).await >= 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn lenient_takes_what_fails_a_check_and_does_not_reflect_it() {
    let Some(scene) = Scene::set("lenient_replaces = true\n").await else {
        return;
    };
    let other = scene.front.account().await;
    // instant-acme takes it for a fault of the server's that the order does not say what it replaces.
    let error = scene
        .order(&other, &["a.example"])
        .await
        .err()
        .expect("it minds");
    assert!(
        error.to_string().contains("replaces field mismatch"),
        "{error}"
    );
    let explained = scene.front.explained(&scene.id).await;
    assert_eq!(explained["replacedBy"], Value::Null, "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_neither_claim_nor_account() {
    let Some(mut scene) = Scene::set("").await else {
        return;
    };
    let mut order = scene.order(&scene.account, &["a.example"]).await.unwrap();
    scene.front.server.kill();
    scene.front.restart();
    order.refresh().await.unwrap();
    let reflected = order.state().replaces.as_ref().map(ToString::to_string);
    assert_eq!(reflected.as_deref(), Some(&*scene.id));
    let (status, kind, _) = refusal(scene.order(&scene.account, &["a.example"]).await);
    assert_eq!(
        (status, &*kind),
        (409, "urn:ietf:params:acme:error:alreadyReplaced")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_names_alone_matched_refuses_nobody() {
    let Some(scene) = Scene::set("").await else {
        return;
    };
    // A client that sends no `replaces`: the same account, the same names.
    let names = dns(&["B.example", "a.example"]);
    let (_, renewed) = issue(&scene.account, &NewOrder::new(&names)).await;
    let explained = settled(&scene.front, &scene.id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed);
    scene.order(&scene.account, &["a.example"]).await.unwrap();
}

/// Accounts' URLs and CertIDs are public: what the upstream has not accepted changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_nobody_signed_frees_no_place() {
    let Some(scene) = Scene::set("").await else {
        return;
    };
    let names = ["a.example", "b.example"];
    let (_, renewed) = issue(&scene.account, &NewOrder::new(&dns(&names))).await;
    let explained = settled(&scene.front, &scene.id).await;
    assert_eq!(explained["replacedBy"]["by"], renewed);

    let identifiers = names.map(|name| json!({"type": "dns", "value": name}));
    let payload = json!({"identifiers": identifiers, "replaces": scene.id});
    let forged = scene.front.forged(scene.account.id(), &payload).await;
    assert_eq!(forged.status(), 400, "{}", forged.text().await.unwrap());
    let after = scene.front.explained(&scene.id).await;
    assert_eq!(after["replacedBy"]["by"], renewed, "{after}");
    // Whoever has the key has the place all the same.
    scene.order(&scene.account, &["a.example"]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_upstream_s_own_ari_is_relayed_it_checks_what_is_replaced() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    // It takes the host as it comes.
    let directory = async |headers: HeaderMap| {
        let origin = format!("https://{}", headers["host"].to_str().unwrap());
        as_json(&json!({
            "newNonce": format!("{origin}/new-nonce"), "newAccount": format!("{origin}/new-account"),
            "newOrder": format!("{origin}/new-order"), "renewalInfo": format!("{origin}/ari"),
        }))
    };
    let order = json!({
        "status": "pending", "identifiers": [], "authorizations": [],
        "finalize": format!("{base}/finalize/1"), "replaces": "AQID.BAUG",
    });
    let location = format!("{base}/order/1");
    let router = Router::new()
        .route("/directory", get(directory))
        .route("/new-nonce", get(async || [("replay-nonce", "fresh")]))
        .route(
            "/new-order",
            post(async move || {
                let headers = [("location", location), ("replay-nonce", "next".to_owned())];
                (StatusCode::CREATED, headers, as_json(&order))
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let payload = json!({
        "identifiers": [{"type": "dns", "value": "a.example"}], "replaces": "AQID.BAUG",
    });
    for (more, status) in [("upstream_ari = \"relay\"\n", 201), ("", 400)] {
        let front = Front::before(&format!("{base}/directory"), more, None);
        let answer = front.forged("https://ca/1", &payload).await;
        assert_eq!(answer.status(), status, "{more}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["replaces"] == "AQID.BAUG", status == 201, "{answer}");
    }
}
