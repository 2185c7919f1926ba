//! The rooms of `domain` and their arrows, and files that import each other.

use std::collections::{BTreeMap, BTreeSet};

use super::files;
use super::source::paths;

/// Which rooms of `domain` a room may name.
const ROOMS: &[(&str, &[&str])] = &[
    ("accesslog", &["demand", "math", "policy", "time"]),
    ("transparency", &["math", "time"]),
    ("acme", &["certificate", "time"]),
    ("admission", &["certificate", "math", "time"]),
    (
        "plan",
        &["certificate", "ledger", "math", "publication", "time"],
    ),
    (
        "publication",
        &[
            "certificate",
            "demand",
            "ledger",
            "math",
            "policy",
            "status",
            "time",
        ],
    ),
    ("status", &["demand", "math", "moves", "policy", "time"]),
    (
        "moves",
        &[
            "allocation",
            "certificate",
            "client",
            "demand",
            "ledger",
            "math",
            "policy",
            "time",
        ],
    ),
    (
        "allocation",
        &[
            "certificate",
            "client",
            "demand",
            "ledger",
            "math",
            "policy",
            "time",
        ],
    ),
    (
        "ledger",
        &["certificate", "client", "demand", "math", "policy", "time"],
    ),
    ("client", &["certificate", "math", "policy", "time"]),
    ("demand", &["certificate", "math", "policy", "time"]),
    ("policy", &["certificate", "math", "time"]),
    ("certificate", &["math", "time"]),
    ("time", &["math"]),
    ("math", &[]),
];

/// Files that still import each other: none is added, and one that is untied leaves this list.
const STILL_TIED: &[(&str, &str)] = &[
    ("cli::incident", "cli::incident::create"),
    ("cli::running", "cli::serve"),
    ("config::ca", "config::experiment"),
    (
        "domain::demand::profile",
        "domain::demand::profile::combine",
    ),
    ("domain::demand::profile", "domain::demand::profile::rates"),
    (
        "domain::demand::profile",
        "domain::demand::profile::version",
    ),
    ("domain::demand::profile", "domain::demand::profile::volume"),
    ("domain::demand::profile", "domain::demand::profile::weigh"),
    ("engine", "engine::answer"),
    ("engine", "engine::cohorts"),
    ("engine", "engine::exporting"),
    ("engine", "engine::incidents"),
    ("engine", "engine::lookups"),
    ("engine", "engine::news"),
    ("engine", "engine::polls"),
    ("engine", "engine::priors"),
    ("engine", "engine::publisher"),
    ("engine", "engine::rebalance"),
    ("engine", "engine::resuming"),
    ("engine", "engine::shadow"),
    ("engine", "engine::standing"),
    ("engine", "engine::summing"),
    ("engine", "engine::unclaimed"),
    ("engine::ca", "engine::forecast"),
    ("engine::ca", "engine::shadow"),
    ("engine::ca", "engine::world"),
    ("engine::cohorts", "engine::world"),
    ("engine::in_force", "engine::world"),
    ("engine::incidents", "engine::incidents::load"),
    ("engine::incidents", "engine::incidents::standing"),
    ("engine::incidents", "engine::incidents::survey"),
    ("engine::index", "engine::index::beside"),
    ("engine::index", "engine::index::snapshot"),
    ("engine::index", "engine::index::wide"),
    ("engine::index::beside", "engine::index::snapshot"),
    ("engine::polls", "engine::world"),
    ("engine::registration", "engine::step"),
    ("gateway", "gateway::proxy"),
    ("http::body", "http::unpack"),
    ("ingest::decode", "ingest::lines"),
    ("simulate", "simulate::figures"),
    ("simulate::aftermath", "simulate::run"),
    ("simulate::report::svg", "simulate::report::svg::day"),
    ("simulate::report::svg", "simulate::report::svg::strip"),
    ("simulate::run", "simulate::trouble"),
    ("simulate::scenario", "simulate::scenario::read"),
    ("simulate::scenario::arrivals", "simulate::scenario::read"),
    ("simulate::scenario::clients", "simulate::scenario::read"),
    ("simulate::scenario::events", "simulate::scenario::read"),
    ("store", "store::connect"),
    ("store", "store::migrate"),
    ("store::postgres", "store::postgres::certificates"),
    ("store::postgres::certificates", "store::postgres::tables"),
    ("store::sqlite", "store::sqlite::connections"),
    ("store::sqlite", "store::sqlite::fault"),
    ("store::sqlite", "store::sqlite::location"),
];

type Module = Vec<String>;

/// Every file of the crate but for its tests: the module that it is, and those that it names.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let texts: BTreeMap<Module, String> = files("src")
        .into_iter()
        .filter(|(path, _)| !path.trim_end_matches(".rs").ends_with("tests"))
        .map(|(path, text)| (module_of(&path), without_tests(&text).to_owned()))
        .collect();
    let named = |module: &Module| {
        let segments: Vec<&str> = module.iter().map(String::as_str).collect();
        paths(&texts[module], &segments)
            .into_iter()
            .filter_map(|named| file_of(&named.path, module, &texts))
            .filter(|other| other != module)
            .collect()
    };
    texts
        .keys()
        .map(|module| (module.clone(), named(module)))
        .collect()
}

fn module_of(path: &str) -> Module {
    path.trim_start_matches("src/")
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .filter(|name| *name != "lib")
        .map(str::to_owned)
        .collect()
}

/// A file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

/// The file that a path leads to: the longest beginning of it that is a module. A path that does not
/// begin with `crate` is one of ours where it begins with a child of the module that names it.
fn file_of(path: &str, from: &Module, texts: &BTreeMap<Module, String>) -> Option<Module> {
    let segments: Module = match path.strip_prefix("crate::") {
        Some(rest) => rest.split("::").map(str::to_owned).collect(),
        None => from
            .iter()
            .cloned()
            .chain(path.split("::").map(str::to_owned))
            .collect(),
    };
    let shortest = if path.starts_with("crate::") {
        1
    } else {
        from.len() + 1
    };
    (shortest..=segments.len())
        .rev()
        .map(|count| segments[..count].to_vec())
        .find(|module| texts.contains_key(module))
}

#[test]
fn rooms_of_the_domain_point_one_way() {
    let mut rooms = BTreeSet::new();
    for (module, named) in imports() {
        let [part, room, ..] = &module[..] else {
            continue;
        };
        if part != "domain" {
            continue;
        }
        let others = named.iter().filter(|other| other.first() == Some(part));
        rooms.insert(room.clone());
        let allowed = ROOMS.iter().find(|(name, _)| name == room);
        let allowed = allowed
            .unwrap_or_else(|| panic!("`{room}` is no room of domain"))
            .1;
        // `domain` alone is named by visibilities, such as `pub(in crate::domain)`.
        for other in others.filter_map(|other| other.get(1)) {
            assert!(
                other == room || allowed.contains(&other.as_str()),
                "{} names the room `{other}`",
                module.join("::")
            );
        }
    }
    let known: BTreeSet<String> = ROOMS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rooms, known);
    // The list itself has no circle: each room names only rooms that stand below it.
    for (n, (room, others)) in ROOMS.iter().enumerate() {
        let below: Vec<&str> = ROOMS[n + 1..].iter().map(|(name, _)| *name).collect();
        for other in *others {
            assert!(below.contains(other), "`{room}` may name `{other}`");
        }
    }
}

#[test]
fn no_two_files_import_each_other() {
    let imports = imports();
    let mut tied = BTreeSet::new();
    for (module, named) in &imports {
        for other in named.iter().filter(|other| module < *other) {
            if imports.get(other).is_some_and(|back| back.contains(module)) {
                tied.insert((module.join("::"), other.join("::")));
            }
        }
    }
    let known: BTreeSet<(String, String)> = STILL_TIED
        .iter()
        .map(|(left, right)| ((*left).to_owned(), (*right).to_owned()))
        .collect();
    assert_eq!(tied, known);
}

#[test]
fn who_a_file_names_is_found() {
    let texts: BTreeMap<Module, String> = ["a", "a::b", "c", "c::d"]
        .into_iter()
        .map(|module| {
            let module = module.split("::").map(str::to_owned).collect();
            (module, String::new())
        })
        .collect();
    let from = |module: &str| module.split("::").map(str::to_owned).collect::<Module>();
    for (path, of, want) in [
        ("crate::c::d::Thing", "a", Some("c::d")),
        ("crate::c::Thing", "a", Some("c")),
        ("b::Thing", "a", Some("a::b")),
        ("b::Thing", "c", None),
        ("std::fmt", "a", None),
        ("crate::e::Thing", "a", None),
    ] {
        let found = file_of(path, &from(of), &texts);
        assert_eq!(found, want.map(from), "{path} in {of}");
    }
}
