//! Inserts one member into a JSON object without changing any other byte.

use serde_json::Value;

/// The object with a member added at its end; `None` if it is not an object, or already has the
/// member.
#[must_use]
pub fn with_member(json: &[u8], name: &str, value: &str) -> Option<Vec<u8>> {
    let object: serde_json::Map<String, Value> = serde_json::from_slice(json).ok()?;
    if object.contains_key(name) {
        return None;
    }
    // Only white space may follow the last brace.
    let end = json.iter().rposition(|octet| *octet == b'}')?;
    let comma = if object.is_empty() { "" } else { "," };
    let member = format!("{comma}{}:{}", Value::from(name), Value::from(value));
    Some([&json[..end], member.as_bytes(), &json[end..]].concat())
}

/// The object with this member replaced, or added if it is missing.
#[must_use]
pub fn with_text(json: &[u8], name: &str, value: &str) -> Option<Vec<u8>> {
    if let Some(longer) = with_member(json, name, value) {
        return Some(longer);
    }
    let mut object: serde_json::Map<String, Value> = serde_json::from_slice(json).ok()?;
    object.insert(name.to_owned(), Value::from(value));
    serde_json::to_vec(&object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_more_and_nothing_else() {
        for (json, want) in [
            ("{}", Some(r#"{"a":"b"}"#)),
            ("{ \"x\" : 1 }\n", Some("{ \"x\" : 1 ,\"a\":\"b\"}\n")),
            (r#"{"a":"c"}"#, None),
            ("[]", None),
            ("", None),
        ] {
            let spliced = with_member(json.as_bytes(), "a", "b");
            assert_eq!(spliced.as_deref(), want.map(str::as_bytes), "{json}");
        }
    }

    #[test]
    fn a_text_takes_the_place_of_another() {
        let replaced = with_text(br#"{"a":"c","x":1}"#, "a", "b").unwrap();
        assert_eq!(replaced, br#"{"a":"b","x":1}"#);
        assert_eq!(with_text(b"{}", "a", "b").unwrap(), br#"{"a":"b"}"#);
        assert_eq!(with_text(b"7", "a", "b"), None);
    }
}
