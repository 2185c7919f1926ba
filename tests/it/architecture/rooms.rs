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

type Module = Vec<String>;

/// Whether a file also names what it only hands on.
#[derive(Clone, Copy, Eq, PartialEq)]
enum HandedOn {
    Counts,
    LeftOut,
}

/// Every file of a crate but for its tests: the module that it is, and those that it names.
fn imports(root: &str, handed_on: HandedOn) -> BTreeMap<Module, BTreeSet<Module>> {
    let texts: BTreeMap<Module, String> = files(root)
        .into_iter()
        .filter(|(path, _)| root != "src" || !path.trim_end_matches(".rs").ends_with("tests"))
        .map(|(path, text)| {
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            let text = own_paths(root, without_tests(&text));
            let text = match handed_on {
                HandedOn::Counts => text,
                HandedOn::LeftOut => without_handed_on(&text),
            };
            (module_of(&path), text)
        })
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

/// To tests and benches, what they name of `offpeak` is another crate's.
fn own_paths(root: &str, text: &str) -> String {
    match root {
        "src" => text.to_owned(),
        _ => text.replace("offpeak::", "another_crate::"),
    }
}

fn module_of(path: &str) -> Module {
    path.trim_start_matches('/')
        .trim_end_matches(".rs")
        .trim_end_matches("/mod")
        .split('/')
        .filter(|name| !matches!(*name, "lib" | "main"))
        .map(str::to_owned)
        .collect()
}

/// A file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or(text)
}

/// A file without the names of other files that it only hands on: its `pub use`, `pub(super) use`.
fn without_handed_on(text: &str) -> String {
    let (mut kept, mut is_handed_on) = (String::new(), false);
    for line in text.lines() {
        is_handed_on |= line.starts_with("pub") && line.contains(" use ");
        if !is_handed_on {
            kept.push_str(line);
            kept.push('\n');
        }
        is_handed_on &= !line.contains(';');
    }
    kept
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
    for (module, named) in imports("src", HandedOn::Counts) {
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
fn no_files_import_each_other_in_a_circle() {
    for root in ["src", "tests/it", "benches/speed"] {
        let named = imports(root, HandedOn::Counts);
        assert_eq!(tied(&named), Vec::<String>::new(), "in {root}");
        // A folder's file may hand on what others of the folder need of each other.
        let named = imports(root, HandedOn::LeftOut);
        assert_eq!(circles(&named), Vec::<String>::new(), "in {root}");
        assert!(named.values().any(|others| !others.is_empty()), "{root}");
    }
    let module = |name: &str| vec![name.to_owned()];
    let circle = BTreeMap::from([
        (module("a"), BTreeSet::from([module("b"), module("d")])),
        (module("b"), BTreeSet::from([module("c")])),
        (module("c"), BTreeSet::from([module("a")])),
        (module("d"), BTreeSet::new()),
    ]);
    assert_eq!(circles(&circle), ["a, b, c"]);
    assert_eq!(tied(&circle), Vec::<String>::new());
    let pair = BTreeMap::from([
        (module("a"), BTreeSet::from([module("b"), module("c")])),
        (module("b"), BTreeSet::from([module("a")])),
        (module("c"), BTreeSet::new()),
    ]);
    assert_eq!(tied(&pair), ["a and b"]);
    let text = "use a::B;\npub use c::{\n    D,\n};\nfn e() {}\npub(super) use f::G;\n";
    assert_eq!(without_handed_on(text), "use a::B;\nfn e() {}\n");
}

/// The pairs of files of which each names the other.
fn tied(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let pairs = imports
        .iter()
        .flat_map(|(module, named)| named.iter().map(move |other| (module, other)));
    pairs
        .filter(|(module, other)| module < other)
        .filter(|(module, other)| {
            imports
                .get(*other)
                .is_some_and(|back| back.contains(*module))
        })
        .map(|(module, other)| format!("{} and {}", module.join("::"), other.join("::")))
        .collect()
}

/// The files that lead back to themselves by what they name, those of a circle together.
fn circles(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = imports
        .keys()
        .map(|module| (module, reached_from(module, imports)))
        .collect();
    let circles: BTreeSet<BTreeSet<&Module>> = imports
        .keys()
        .filter(|module| reached[module].contains(module))
        .map(|module| {
            let back = |other: &&Module| reached[*other].contains(module);
            reached[module].iter().copied().filter(back).collect()
        })
        .collect();
    let written = |circle: BTreeSet<&Module>| {
        let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
        names.join(", ")
    };
    circles.into_iter().map(written).collect()
}

/// The files that a file names, and those that they name, and so on.
fn reached_from<'a>(
    module: &Module,
    imports: &'a BTreeMap<Module, BTreeSet<Module>>,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = imports[module].iter().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(imports.get(module).into_iter().flatten());
        }
    }
    reached
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
