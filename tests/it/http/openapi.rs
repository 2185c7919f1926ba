//! `openapi.yaml` and the routers: each says what the other does.

use std::collections::BTreeSet;

use offpeak::http::{ADMIN, PUBLIC};
use reqwest::{Method, Response};
use serde_norway::Value;

use crate::server::TestServer;

const OPENAPI: &str = include_str!("../../../openapi.yaml");

const METHODS: [&str; 8] = [
    "get", "head", "options", "post", "put", "patch", "delete", "trace",
];

/// A method and a path.
type Operation = (String, String);

fn document() -> Value {
    let mut document: Value = serde_norway::from_str(OPENAPI).unwrap();
    document.apply_merge().unwrap();
    document
}

/// The operations of the document: the public listener's and the admin listener's.
fn documented() -> (BTreeSet<Operation>, BTreeSet<Operation>) {
    let document = document();
    let (mut public, mut admin) = (BTreeSet::new(), BTreeSet::new());
    for (path, item) in document["paths"].as_mapping().unwrap() {
        let path = path.as_str().unwrap();
        let listener = match item["servers"][0]["url"].as_str() {
            None => &mut public,
            Some(url) => {
                assert_eq!(url, "http://127.0.0.1:8081", "{path}");
                &mut admin
            }
        };
        for key in item.as_mapping().unwrap().keys() {
            let key = key.as_str().unwrap();
            if METHODS.contains(&key) {
                listener.insert((key.to_uppercase(), path.to_owned()));
            }
        }
    }
    (public, admin)
}

fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeSet<Operation> {
    rows.map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect()
}

#[test]
fn the_document_and_the_route_table_name_the_same_operations() {
    let (mut public, admin) = documented();
    // What answers GET answers HEAD; the document says so where RFC 9773 clients may want it.
    let head = ("HEAD".to_owned(), "/renewal-info/{certid}".to_owned());
    assert!(public.remove(&head));
    assert_eq!(
        public,
        table(PUBLIC.iter().map(|route| (route.method, route.path)))
    );
    assert_eq!(
        admin,
        table(ADMIN.iter().map(|route| (route.method, route.path)))
    );
}

#[test]
fn the_document_says_which_operations_need_a_token() {
    let document = document();
    for route in ADMIN {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let needs_token = operation["security"][0]["bearer"].is_sequence();
        assert_eq!(needs_token, route.scope.is_some(), "{}", route.path);
        if let Some(scope) = route.scope {
            let description = operation["description"].as_str().unwrap();
            let says = format!("Needs the scope `{}`", scope.name());
            assert!(
                description.contains(&says),
                "{} {}",
                route.method,
                route.path
            );
            for status in ["401", "403", "429"] {
                let answer = &operation["responses"][status];
                assert!(answer.is_mapping(), "{} {status}", route.path);
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        if let Some(local) = reference.strip_prefix("#/") {
            let found = local.split('/').fold(&document, |value, key| &value[key]);
            assert!(found.is_mapping(), "{reference}");
        } else {
            // Relative to `/openapi.yaml` on the public listener.
            let path = format!("/{reference}");
            assert!(PUBLIC.iter().any(|route| route.path == path), "{reference}");
        }
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                match (key.as_str(), value.as_str()) {
                    (Some("$ref"), Some(reference)) => found.push(reference.to_owned()),
                    _ => collect_references(value, found),
                }
            }
        }
        Value::Sequence(items) => {
            for item in items {
                collect_references(item, found);
            }
        }
        _ => {}
    }
}

/// Neither "no such route" nor "no such method": each operation is there, for whoever has a token
/// and for whoever has none.
#[tokio::test]
async fn every_documented_operation_is_answered() {
    let server = TestServer::start().await;
    let (public, admin) = documented();
    assert!(public.len() > 10 && admin.len() > 10);
    for (method, path) in &public {
        let answer = server.ask(named(method), &example(path)).send();
        assert_answered(answer.await.unwrap(), method, path).await;
    }
    for (method, path) in &admin {
        for request in [
            server.ask_admin(named(method), &example(path)),
            server.as_admin(named(method), &example(path)),
        ] {
            assert_answered(request.send().await.unwrap(), method, path).await;
        }
    }
}

fn named(method: &str) -> Method {
    method.parse().unwrap()
}

fn example(path: &str) -> String {
    path.replace("{certid}", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE")
        .replace("{ca}", "example")
        .replace("{id}", "1")
        .replace("{sha256}", &"0".repeat(64))
}

async fn assert_answered(answer: Response, method: &str, path: &str) {
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert_ne!(status, 405, "{method} {path}");
    assert!(
        !text.contains("no such resource"),
        "{method} {path}: {text}"
    );
    assert!(
        status.as_u16() < 500 || path == "/readyz",
        "{method} {path}: {text}"
    );
}

#[test]
fn the_document_has_the_crates_version() {
    assert_eq!(
        document()["info"]["version"].as_str(),
        Some(env!("CARGO_PKG_VERSION"))
    );
}
