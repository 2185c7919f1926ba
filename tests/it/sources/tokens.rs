//! What a token may say that it is.

use offpeak::config::Scope;
use offpeak::domain::demand::permission::Permission;

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
