//! `[[note]]`.

use super::*;

fn note(lines: &str) -> String {
    format!("{}[[note]]\n{lines}\n", one_ca("\n"))
}

#[test]
fn a_note_belongs_to_its_ca_or_to_all() {
    let text = note(
        "ca = \"x\"\nfrom = 0\nto = 60\ntext = \"one\"\n[[note]]\nfrom = 0\nto = 1\ntext = \"all\"",
    );
    let config = Config::parse(&text).unwrap();
    let of = |name: &str| -> Vec<&str> {
        let ca = &config.cas[config.ca_named(name).unwrap()];
        ca.notes.iter().map(|note| note.text.as_str()).collect()
    };
    assert_eq!(of("x"), ["one", "all"]);
    assert_eq!(of("default"), ["all"]);
    // Words change no window.
    let without = Config::parse(&one_ca("\n")).unwrap();
    assert_eq!(config.policy_digest(), without.policy_digest());
}

#[test]
fn what_is_wrong_with_a_note_is_named_by_its_key() {
    let long = format!("from = 0\nto = 1\ntext = \"{}\"", "x".repeat(501));
    for (lines, key, reason) in [
        ("to = 1\ntext = \"a\"", "note[0].from", "is missing"),
        ("from = 0\nto = 1", "note[0].text", "is missing"),
        (
            "from = 1\nto = 1\ntext = \"a\"",
            "note[0].to",
            "is not after from",
        ),
        (
            "from = 0\nto = 1\ntext = \" \"",
            "note[0].text",
            "takes one line",
        ),
        (
            "from = 0\nto = 1\ntext = \"a\\nb\"",
            "note[0].text",
            "takes one line",
        ),
        (&long, "note[0].text", "1 to 500 octets"),
        (
            "ca = \"nobody\"\nfrom = 0\nto = 1\ntext = \"a\"",
            "note[0].ca",
            "no [[ca]] is named nobody",
        ),
    ] {
        let errors = errors(&note(lines));
        let [error] = &errors[..] else {
            panic!("{lines}\n{errors:#?}");
        };
        assert_eq!(error.key, key, "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }
}
