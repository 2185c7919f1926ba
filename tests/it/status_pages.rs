//! `[[status_page]]`: maintenance that a CA announces closes its hours.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use offpeak::config::StatusPageConfig;
use offpeak::domain::moves::incident::State;
use offpeak::domain::time::{DAY, HOUR};
use offpeak::notices::maintenance::Pages;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{NOW, TestServer, config, json};
use crate::support::fresh_sqlite;

fn statuspage(hour: i64) -> Value {
    json!({"page": {"id": "p", "name": "CA"}, "scheduled_maintenances": [
        {"id": "abc", "name": "new HSM", "status": "scheduled",
         "scheduled_for": NOW + DAY + hour * HOUR, "scheduled_until": NOW + DAY + (hour + 2) * HOUR}
    ]})
}

fn status_io() -> Value {
    json!({"result": {"maintenance": {"active": [], "upcoming": [
        {"_id": "abc", "name": "new HSM", "datetime_planned_start": NOW + DAY,
         "datetime_planned_end": NOW + DAY + 2 * HOUR}
    ]}}})
}

#[tokio::test]
async fn what_a_page_announces_is_closed_moves_with_it_and_ends_with_it() {
    let said = Arc::new(Mutex::new(status_io().to_string()));
    let serving = Arc::clone(&said);
    let page = get(async move || serving.lock().unwrap().clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/page", listener.local_addr().unwrap());
    let router = Router::new().route("/page", page);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let database = fresh_sqlite();
    let mut config = config();
    config.status_pages = vec![StatusPageConfig {
        ca: "example".parse().unwrap(),
        url,
        components: Vec::new(),
    }];
    let server = TestServer::on(&database.url(), config).await;
    let look = async || Pages::default().look(&server.engine).await;
    // The oldest first.
    let incidents = async || {
        let mut all = server.engine.store().incidents().await.unwrap();
        all.reverse();
        all
    };
    look().await;
    let first = incidents().await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].name, "announced: new HSM (abc)");
    assert_eq!(
        (first[0].state, first[0].from),
        (State::Open, Some(NOW + DAY))
    );
    // The ranking of the next publication says so.
    server.engine.publish().await.unwrap();
    let ranking = json(server.get("/ranking.json").await).await;
    assert_eq!(ranking["avoid"][0]["from"], json!(NOW + DAY), "{ranking}");
    // The same again changes nothing, whoever looks.
    look().await;
    assert_eq!(incidents().await, first);
    // The CA moves to another provider of pages, and the maintenance by an hour.
    *said.lock().unwrap() = statuspage(1).to_string();
    look().await;
    let moved = incidents().await;
    assert_eq!((moved.len(), moved[0].state), (2, State::Closed));
    assert_eq!(
        (moved[1].state, moved[1].from),
        (State::Open, Some(NOW + DAY + HOUR))
    );
    // A page that cannot be read takes nothing back.
    *said.lock().unwrap() = "<html>busy</html>".to_owned();
    look().await;
    assert_eq!(incidents().await, moved);
    *said.lock().unwrap() = json!({"scheduled_maintenances": []}).to_string();
    let mut pages = Pages::default();
    pages.look(&server.engine).await;
    assert_eq!(incidents().await[1].state, State::Closed);
    // It is announced after all; a page is asked every ten minutes.
    *said.lock().unwrap() = statuspage(1).to_string();
    pages.look(&server.engine).await;
    assert_eq!(incidents().await.len(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
    pages.look(&server.engine).await;
    let again = incidents().await;
    assert_eq!((again.len(), again[2].state), (3, State::Open));
    // Somebody who knows better closes it, and it stays closed.
    let path = format!("/v1/incidents/{}", again[2].id);
    let close = server.as_admin(Method::PATCH, &path);
    let closed = close.json(&json!({"state": "closed"})).send().await;
    assert!(closed.unwrap().status().is_success());
    look().await;
    assert_eq!(incidents().await.len(), 3);
}
