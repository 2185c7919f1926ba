//! What a token may say that it is.

use offpeak::config::{Scope, Token};
use offpeak::domain::demand::permission::Permission;
use offpeak::domain::moves::incident::State;
use offpeak::domain::time::MINUTE;
use offpeak::source::probe::watch;
use sha2::{Digest as _, Sha256};

use crate::server::TestServer;
use crate::support::fresh_sqlite;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_speaks_for_its_own_sources_alone() {
    let mut config = crate::server::config();
    for token in &mut config.tokens {
        token.sources = Permission::to(vec!["observer:oslo".parse().unwrap()]);
    }
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), config).await;
    let now = server.engine.now();
    let line = |source: &str| {
        format!(r#"{{"at":"{now}","ca":"example","kind":"attempt","count":1{source}}}"#)
    };
    let body = [
        line(r#","source":"observer","vantage":"oslo""#),
        line(r#","source":"observer","vantage":"rome""#),
        line(""),
    ];
    let answer = server
        .as_admin(reqwest::Method::POST, "/v1/observations")
        .header("content-type", "application/x-ndjson")
        .body(body.join("\n"))
        .send()
        .await
        .unwrap();
    let report: serde_json::Value = crate::server::json(answer).await;
    assert_eq!(
        (&report["accepted"], &report["rejected"]),
        (&1.into(), &2.into()),
        "{report}"
    );
    let errors = report["errors"].as_array().unwrap();
    assert!(
        errors.iter().all(|error| error["field"] == "source"),
        "{report}"
    );
    assert!(
        errors[1]["detail"]
            .as_str()
            .unwrap()
            .contains("only for observer:oslo"),
        "{report}"
    );
}

/// What vantages saw in the last two minutes, handed in under a token.
async fn hand_in(server: &TestServer, token: &str, (vantages, failed): (&[&str], bool)) {
    let now = server.engine.now();
    let mut lines = Vec::new();
    for vantage in vantages {
        for at in [now - MINUTE, now] {
            for (kind, count) in [("attempt", 2), ("failed", if failed { 2 } else { 0 })] {
                lines.push(format!(
                    r#"{{"at":"{at}","ca":"example","kind":"{kind}","count":{count},"source":"observer","vantage":"{vantage}"}}"#
                ));
            }
        }
    }
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/v1/observations", server.admin))
        .bearer_auth(token)
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_one_token_is_one_voice_in_a_quorum_however_many_vantages_he_names() {
    let mut config = crate::server::config();
    for name in ["oslo", "rome"] {
        config.tokens.push(Token {
            name: name.to_owned(),
            sha256: Sha256::digest(name).into(),
            scopes: vec![Scope::Ingest],
            sources: Permission::to(vec!["observer".parse().unwrap()]),
        });
    }
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), config).await;
    let ca = "example".parse().unwrap();
    let state = async || {
        watch(&server.engine, &ca, 2).await.unwrap();
        let incidents = server.engine.store().incidents().await.unwrap();
        incidents.first().map(|incident| incident.state)
    };
    let all = ["oslo", "rome", "singapore", "mumbai", "n-virginia"];
    hand_in(&server, "oslo", (&all, true)).await;
    assert_eq!(state().await, None, "one who makes up vantages");
    hand_in(&server, "rome", (&["rome"], true)).await;
    assert_eq!(state().await, Some(State::Open), "two who see it");
    // The other way: the CA is not back because one says so for many.
    server.clock.set(server.engine.now() + 3 * MINUTE);
    hand_in(&server, "oslo", (&all, false)).await;
    hand_in(&server, "rome", (&["rome"], true)).await;
    assert_eq!(state().await, Some(State::Open));
    server.clock.set(server.engine.now() + 3 * MINUTE);
    hand_in(&server, "oslo", (&all, false)).await;
    hand_in(&server, "rome", (&["rome"], false)).await;
    assert_eq!(state().await, Some(State::Closed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_bound_to_an_observer_has_no_say_in_certificates() {
    let mut config = crate::server::config();
    for token in &mut config.tokens {
        token.scopes = vec![Scope::Ingest];
        token.sources = Permission::to(vec!["observer:oslo".parse().unwrap()]);
    }
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), config).await;
    let id = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    for (method, path) in [
        (reqwest::Method::POST, "/v1/certificates".to_owned()),
        (reqwest::Method::GET, "/v1/certificates".to_owned()),
        (
            reqwest::Method::POST,
            format!("/v1/certificates/{id}/replaced"),
        ),
        (
            reqwest::Method::POST,
            format!("/v1/certificates/{id}/revoked"),
        ),
    ] {
        let answer = server
            .as_admin(method, &path)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{path}");
        let problem = answer.text().await.unwrap();
        assert!(
            problem.contains("neither ca nor registrations"),
            "{problem}"
        );
    }
}
