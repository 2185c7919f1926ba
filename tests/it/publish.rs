//! Writing the static tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use offpeak::domain::demand::profile::Profile;
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::publication::documents::documents;
use offpeak::domain::publication::ranking::Times;
use offpeak::domain::time::{DAY, HOUR};
use offpeak::publish::apply::{Applied, apply};
use offpeak::publish::plan::{File, plan};

use crate::load::{NOW, at, hourly, one_oclock};

fn files(days: i64) -> Vec<File> {
    let profile = Profile::learn(&hourly(days, one_oclock), at(NOW), HOUR, &[]);
    let policy = CaPolicy::named("example".parse().unwrap());
    plan(&documents(
        &[],
        &[(&policy, &profile)],
        &Times::new(at(NOW), DAY),
    ))
}

fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn as_tree(files: &[File]) -> BTreeMap<String, Vec<u8>> {
    files
        .iter()
        .map(|f| (f.path.clone(), f.bytes.to_vec()))
        .collect()
}

#[test]
fn the_tree_is_the_publication() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deep/down");
    let files = files(28);
    // ranking.json, ca/example/ranking.json and one copy of both, and the schema.
    assert_eq!(
        apply(&files, &root).unwrap(),
        Applied {
            written: 4,
            unchanged: 0,
            unsigned: 0
        }
    );
    assert_eq!(tree(&root), as_tree(&files));
}

#[cfg(unix)]
#[test]
fn the_web_server_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    apply(&files(28), folder.path()).unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("ranking.json")), mode(&plain));
}

#[test]
fn unchanged_files_are_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(28);
    apply(&files, folder.path()).unwrap();
    let modified = || {
        fs::metadata(folder.path().join("ranking.json"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = modified();
    assert_eq!(
        apply(&files, folder.path()).unwrap(),
        Applied {
            written: 0,
            unchanged: 4,
            unsigned: 0
        }
    );
    assert_eq!(modified(), before);
}

#[test]
fn older_copies_stay_and_pointers_move() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (files(28), files(3));
    apply(&old, folder.path()).unwrap();
    assert_eq!(
        apply(&new, folder.path()).unwrap(),
        Applied {
            written: 3,
            unchanged: 1,
            unsigned: 0
        }
    );
    let mut both = as_tree(&old);
    both.extend(as_tree(&new));
    assert_eq!(tree(folder.path()), both);
    assert_eq!(both.len(), 5);
}

/// Every write may be the last before the power fails: after each prefix of the plan, whatever a
/// pointer says is there as an immutable copy too.
#[test]
fn pointers_never_point_at_what_is_missing() {
    let (old, new) = (files(28), files(3));
    for written in 0..=new.len() {
        let folder = tempfile::tempdir().unwrap();
        apply(&old, folder.path()).unwrap();
        apply(&new[..written], folder.path()).unwrap();
        let tree = tree(folder.path());
        let copies: Vec<&Vec<u8>> = tree
            .iter()
            .filter(|(path, _)| path.starts_with("r/"))
            .map(|(_, bytes)| bytes)
            .collect();
        for pointer in ["ranking.json", "ca/example/ranking.json"] {
            assert!(
                copies.contains(&&tree[pointer]),
                "{pointer} after {written}"
            );
        }
    }
}

/// A folder stands where the CA's pointer belongs: its rename fails, as on a disk that fails.
#[test]
fn a_failure_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (files(28), files(3));
    apply(&old, folder.path()).unwrap();
    let ca = folder.path().join("ca/example/ranking.json");
    fs::remove_file(&ca).unwrap();
    fs::create_dir_all(ca.join("in the way")).unwrap();
    let error = apply(&new, folder.path()).unwrap_err().to_string();
    assert!(error.contains("ca/example/ranking.json"), "{error}");
    // What comes before it in the order is as it was too.
    let mut want = as_tree(&old);
    want.remove("ca/example/ranking.json");
    assert_eq!(tree(folder.path()), want);
}

#[test]
fn what_a_crash_left_behind_goes() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(28);
    apply(&files, folder.path()).unwrap();
    for leftover in [".offpeak-tmp-aaaaaa", "ca/example/.offpeak-tmp-bbbbbb"] {
        fs::write(folder.path().join(leftover), "{\"half").unwrap();
    }
    fs::write(folder.path().join("index.html"), "not ours").unwrap();
    apply(&files, folder.path()).unwrap();
    let mut want = as_tree(&files);
    want.insert("index.html".to_owned(), b"not ours".to_vec());
    assert_eq!(tree(folder.path()), want);
}

#[test]
fn writers_of_one_tree_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Arc::new(files(28)), Arc::new(files(3)));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let files = Arc::clone(if n % 2 == 0 { &a } else { &b });
            let root = folder.path();
            scope.spawn(move || apply(&files, root).unwrap());
        }
    });
    let tree = tree(folder.path());
    assert_eq!(tree.len(), 5);
    assert_eq!(tree["ranking.json"], tree["ca/example/ranking.json"]);
}
