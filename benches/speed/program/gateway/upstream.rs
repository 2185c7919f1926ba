//! An ACME server that counts: it takes every order at once, and says when each came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Answers for as long as the runtime lives.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    orders: Arc<Mutex<Vec<Instant>>>,
}

impl Upstream {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let upstream = Self {
            address: listener.local_addr()?,
            orders: Arc::default(),
        };
        let router = Router::new()
            .route("/directory", get(directory))
            .route("/new-order", post(new_order))
            .route("/order/1", post(async || order(StatusCode::OK, "ready")))
            .route("/finalize/1", post(async || order(StatusCode::OK, "valid")))
            .route("/certificate/1", post(certificate))
            .with_state(upstream.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(upstream)
    }

    /// The most new orders that came within one second, wherever it begins.
    pub(super) fn most_in_a_second(&self) -> usize {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        most_within_a_second(&orders)
    }
}

fn most_within_a_second(instants: &[Instant]) -> usize {
    let second = std::time::Duration::from_secs(1);
    let counts = instants.iter().enumerate().map(|(at, first)| {
        let after = instants[at..].iter();
        after.take_while(|other| **other - *first < second).count()
    });
    counts.max().unwrap_or(0)
}

async fn directory() -> Response {
    let url = |path: &str| format!("https://127.0.0.1{path}");
    json_of(
        StatusCode::OK,
        &json!({
            "newNonce": url("/new-nonce"), "newAccount": url("/new-account"),
            "newOrder": url("/new-order"), "revokeCert": url("/revoke"), "keyChange": url("/key-change"),
        }),
    )
}

async fn new_order(State(upstream): State<Upstream>) -> Response {
    let orders = upstream.orders.lock();
    orders
        .unwrap_or_else(PoisonError::into_inner)
        .push(Instant::now());
    let mut response = order(StatusCode::CREATED, "pending");
    let location = HeaderValue::from_static("https://127.0.0.1/order/1");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

fn order(status: StatusCode, state: &str) -> Response {
    json_of(
        status,
        &json!({
            "status": state, "expires": "2099-01-01T00:00:00Z",
            "identifiers": [{"type": "dns", "value": "a.example"}],
            "authorizations": ["https://127.0.0.1/authz/1"],
            "finalize": "https://127.0.0.1/finalize/1",
            "certificate": "https://127.0.0.1/certificate/1",
        }),
    )
}

/// The chain is none, so that nothing is registered: registering has rows of its own.
async fn certificate() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/pem-certificate-chain")];
    (
        kind,
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    )
        .into_response()
}

fn json_of(status: StatusCode, value: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::HeaderName::from_static("replay-nonce"),
            "MTIzNDU2Nzg5MDEyMzQ1Ng",
        ),
    ];
    (status, headers, value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_most_within_a_second_is_found_wherever_it_begins() {
        let now = Instant::now();
        let at = [0, 900, 1_100, 1_800, 1_899, 3_000].map(|ms| now + Duration::from_millis(ms));
        assert_eq!(most_within_a_second(&at), 4);
        assert_eq!(most_within_a_second(&[]), 0);
    }
}
