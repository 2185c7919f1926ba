//! A publication's documents, and the bytes of version 1.0.

use super::*;
use offpeak::domain::policy::note::Note;
use offpeak::domain::publication::published::Published;

#[test]
fn documents_are_pointers_their_copies_and_the_schema() {
    let (a, b) = (policy("a"), policy("b"));
    let profile = learn(&hourly(28, one_oclock));
    let first = documents(&[], &[(&a, &profile), (&b, &profile)], &times());
    assert_eq!(
        first,
        documents(&[], &[(&a, &profile), (&b, &profile)], &times())
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
fn the_golden_file_of_version_1_1_holds() {
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/golden/ranking-1.1.json"
    );
    let mut closing = policy("example");
    closing.capacity = vec![nightly("50 0 * * *", 10)];
    let (from, to) = (at(NOW), at(NOW) + DAY);
    let text = "migration of the validators".to_owned();
    let span = Span { from, to };
    closing.notes = vec![Note { span, text }];
    let document = rank(None, &learn(&hourly(28, one_oclock)), &closing, &times());
    if std::env::var_os("OFFPEAK_WRITE_GOLDEN").is_some() {
        std::fs::write(golden, &document).unwrap();
    }
    let golden = std::fs::read(golden).unwrap();
    assert!(document == golden, "{}", String::from_utf8_lossy(&document));
}

#[test]
fn a_reader_of_version_1_0_finds_what_it_knew() {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let before = read(include_bytes!("../golden/ranking-1.0.json"));
    let now = read(include_bytes!("../golden/ranking-1.1.json"));
    for (key, value) in before.as_object().unwrap() {
        if key != "schemaVersion" {
            assert!(holds(&now[key], value), "{key}: {}", now[key]);
        }
    }
    assert!(!holds(&json!({"a": 1, "b": 2}), &json!({"a": 2})));
    assert!(Published::parse(include_bytes!("../golden/ranking-1.0.json")).is_ok());
}

/// Whether all that was told is told as before, whatever else is.
fn holds(now: &Value, before: &Value) -> bool {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => before
            .iter()
            .all(|(key, value)| now.get(key).is_some_and(|now| holds(now, value))),
        (Value::Array(now), Value::Array(before)) => {
            now.len() == before.len() && now.iter().zip(before).all(|(now, was)| holds(now, was))
        }
        _ => now == before,
    }
}

#[test]
fn a_note_is_published_until_its_time_is_over_and_once_for_all() {
    let note = |days: i64| Note {
        span: Span {
            from: at(NOW),
            to: at(NOW) + days * DAY,
        },
        text: format!("{days} days"),
    };
    let (mut a, mut b) = (policy("a"), policy("b"));
    a.notes = vec![note(9), note(0)];
    b.notes = vec![note(9), note(3)];
    let profile = learn(&hourly(28, one_oclock));
    let report = |bytes: &[u8]| -> Vec<String> {
        let read = Published::parse(bytes).unwrap();
        read.notes.into_iter().map(|note| note.text).collect()
    };
    assert_eq!(report(&rank(None, &profile, &a, &times())), ["9 days"]);
    let both = [(&a, &profile), (&b, &profile)];
    assert_eq!(
        report(&rank_together(None, &both, "production", &times())),
        ["3 days", "9 days"]
    );
}
