//! Arrows point one way, and files stay small.

use std::fs;
use std::path::{Path, PathBuf};

mod arrows;
mod pages;
mod rooms;
mod source;

use arrows::{ARROWS, HOMES, NO_WORD_IN_DOMAIN, NOT_IN_DOMAIN};
use source::{line_of_word, paths};

/// Past 400 lines a file is usually two ideas.
const MOST_LINES: usize = 400;

#[test]
fn arrows_point_one_way() {
    let broken: Vec<String> = files("src")
        .iter()
        .flat_map(|(path, text)| against_the_arrows(path.trim_start_matches("src/"), text))
        .collect();
    assert_eq!(broken, [""; 0], "{}", broken.join("\n"));
}

#[test]
fn files_stay_small() {
    let long: Vec<String> = ["benches", "src", "tests"]
        .into_iter()
        .flat_map(files)
        .filter_map(|(path, text)| too_long(&path, &text))
        .collect();
    assert_eq!(long, [""; 0], "{}", long.join("\n"));
}

/// A file, a line in it that breaks a rule, and what is found.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "domain/time/instant.rs",
        "use std::{fmt, fs::File};",
        "std::fs::File",
    ),
    (
        "domain/time/instant.rs",
        "fn f(now: SystemTime) {}",
        "SystemTime",
    ),
    ("domain/lib.rs", "async fn f() {}", "async"),
    (
        "store/sqlite.rs",
        "use crate::{config::Config, domain::policy::ca::CaName};",
        "crate::config::Config",
    ),
    (
        "store/mod.rs",
        "use super::engine::Engine;",
        "crate::engine::Engine",
    ),
    ("engine/mod.rs", "use crate::http;", "crate::http"),
    (
        "ingest/x.rs",
        "use crate::publish::plan;",
        "crate::publish::plan",
    ),
    ("publish.rs", "use crate::cli::Exit;", "crate::cli::Exit"),
    (
        "simulate/outcome.rs",
        "use crate::ingest::x509;",
        "crate::ingest::x509",
    ),
    (
        "engine/mod.rs",
        "use crate::simulate::scenario;",
        "crate::simulate::scenario",
    ),
    ("http/mod.rs", "use crate::cli::Exit;", "crate::cli::Exit"),
    (
        "wire/app.rs",
        "use crate::http::Public;",
        "crate::http::Public",
    ),
    (
        "gateway/mod.rs",
        "use crate::http::Public;",
        "crate::http::Public",
    ),
    (
        "config/mod.rs",
        "use crate::store::Store;",
        "crate::store::Store",
    ),
    (
        "telemetry.rs",
        "use crate::config::Config;",
        "crate::config::Config",
    ),
    (
        "main.rs",
        "fn main() { offpeak::store::connect() }",
        "crate::store::connect",
    ),
    ("engine/mod.rs", "use crate::*;", "crate::*"),
    (
        "ingest/pem.rs",
        "use x509_parser::prelude::*;",
        "x509_parser::prelude::*",
    ),
    ("engine/mod.rs", "fn f(e: sqlx::Error) {}", "sqlx::Error"),
    ("cli/serve.rs", "use axum::Router;", "axum::Router"),
    (
        "shared/mod.rs",
        "use crate::domain::ca;",
        "crate::domain::ca",
    ),
];

#[test]
fn what_breaks_a_rule_is_found() {
    for (path, text, want) in BROKEN {
        let broken = against_the_arrows(path, text);
        let [broken] = &broken[..] else {
            panic!("{path}: {text}: {broken:?}");
        };
        assert_eq!(*broken, format!("src/{path}:1: {want}"), "{text}");
    }
    for (path, text) in [
        (
            "domain/policy/ca.rs",
            "use super::capacity::CapacityRule; use std::fmt; /* tokio::spawn */",
        ),
        ("ingest/x509.rs", "use x509_parser::prelude::*;"),
        ("publish.rs", "use crate::engine::Engine;"),
        (
            "http/certificates.rs",
            "use crate::ingest::x509; use axum::Router;",
        ),
        (
            "cli/mod.rs",
            "use crate::wire::serve; mod tests { use super::*; }",
        ),
        (
            "lib.rs",
            "pub mod store; mod tests { use crate::store::Store; }",
        ),
    ] {
        assert_eq!(against_the_arrows(path, text), [""; 0], "{path}: {text}");
    }
    assert!(too_long("src/x.rs", &"\n".repeat(400)).is_none());
    assert!(too_long("src/x.rs", &"\n".repeat(401)).is_some());
    assert!(too_long("src/main.rs", &"\n".repeat(41)).is_some());
    assert!(too_long("src/lib.rs", &"\n".repeat(61)).is_some());
}

/// What a source file, by its path under `src`, names and may not.
fn against_the_arrows(path: &str, text: &str) -> Vec<String> {
    let module: Vec<&str> = path
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .filter(|name| !matches!(*name, "lib" | "main"))
        .collect();
    let part = path.split(['/', '.']).next().unwrap_or_default();
    let allowed = ARROWS.iter().find(|(name, _)| *name == part);
    let forbidden = |named: &str| {
        let mut segments = named.split("::");
        let first = segments.next().unwrap_or_default();
        // The domain is a crate of its own, and cannot see the others.
        if first == "crate" && part != "domain" {
            let other = segments.next().unwrap_or_default();
            return part != "lib"
                && other != part
                && !allowed.is_some_and(|(_, others)| others.contains(&other));
        }
        let home = HOMES.iter().find(|(name, _)| *name == first);
        home.is_some_and(|(_, homes)| !homes.iter().any(|home| path.starts_with(home)))
            || part == "domain" && NOT_IN_DOMAIN.iter().any(|not| begins_with(named, not))
    };
    let named = paths(text, &module);
    let words = NO_WORD_IN_DOMAIN
        .iter()
        .filter(|_| part == "domain")
        .filter_map(|word| line_of_word(text, word).map(|line| (line, (*word).to_owned())));
    let mut broken: Vec<(usize, String)> = named
        .into_iter()
        .filter(|named| forbidden(&named.path))
        .map(|named| (named.line, named.path))
        .chain(words)
        .collect();
    broken.sort();
    broken
        .into_iter()
        .map(|(line, what)| format!("src/{path}:{line}: {what}"))
        .collect()
}

/// Whether a path is another, or leads on from it.
fn begins_with(path: &str, start: &str) -> bool {
    path.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let most = match path {
        "src/main.rs" => 40,
        "src/lib.rs" => 60,
        _ => MOST_LINES,
    };
    let lines = text.lines().count();
    (lines > most).then(|| format!("{path} has {lines} lines; it takes {most}"))
}

/// Folders that are crates of their own, and what the others call them.
const CRATES: &[(&str, &str)] = &[
    ("src/config/", "config"),
    ("src/domain/", "domain"),
    ("src/simulate/", "simulate"),
];

/// A crate's own paths as the others would write them: `crate::ca` in `config` is `crate::config::ca`.
/// The crates before it keep their names.
fn own_paths(text: &str, part: &str) -> String {
    let own = text.replace("crate::", &format!("crate::{part}::"));
    CRATES.iter().fold(own, |text, (_, other)| {
        text.replace(
            &format!("crate::{part}::{other}::"),
            &format!("crate::{other}::"),
        )
    })
}

/// The Rust files under a folder of the package, by their paths in the package, and their texts.
pub(crate) fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                let text = match CRATES.iter().find(|(folder, _)| name.starts_with(folder)) {
                    Some((_, part)) => own_paths(&text, part),
                    None => text,
                };
                found.push((name.to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no Rust file");
    found
}
