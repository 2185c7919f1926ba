//! A publication's documents, and the bytes of version 1.0.

use super::*;

#[test]
fn documents_are_pointers_their_copies_and_the_schema() {
    let (a, b) = (policy("a"), policy("b"));
    let profile = learn(&hourly(28, one_oclock));
    let first = documents(&[(&a, &profile), (&b, &profile)], &times());
    assert_eq!(
        first,
        documents(&[(&a, &profile), (&b, &profile)], &times())
    );
    let bytes = |path: &str| {
        let found = first.iter().find(|(of, _)| of == path);
        Arc::clone(&found.unwrap_or_else(|| panic!("no {path}")).1)
    };
    let pointers = ["ranking.json", "ca/a/ranking.json", "ca/b/ranking.json"];
    for path in pointers {
        let hash = hexadecimal(&Sha256::digest(bytes(path)));
        assert_eq!(bytes(&format!("r/{hash}/ranking.json")), bytes(path));
    }
    assert_eq!(&*bytes("schema/ranking-1.json"), SCHEMA.as_bytes());
    assert_eq!(first.len(), 7);
}

/// Set `OFFPEAK_WRITE_GOLDEN` to write it anew; the bytes are a contract, so look at the change.
#[test]
fn the_golden_file_of_version_1_0_holds() {
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/golden/ranking-1.0.json"
    );
    let mut closing = policy("example");
    closing.capacity = vec![nightly("50 0 * * *", 10)];
    let document = rank(&learn(&hourly(28, one_oclock)), &closing, &times());
    if std::env::var_os("OFFPEAK_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, &document).unwrap();
    }
    let golden = std::fs::read(golden).unwrap();
    assert!(document == golden, "{}", String::from_utf8_lossy(&document));
}
