//! `docs/configuration.md` is generated from the manual at the head of `config/lib.rs`. That has
//! exactly the keys that the parser knows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::section::known;
use super::*;

const SOURCE: &str = include_str!("lib.rs");

/// How the page is generated.
const MADE_BY: &str = "OFFPEAK_WRITE_GOLDEN=1 cargo test -p offpeak-config manual";

/// The manual: words, the file in TOML, words.
#[derive(Debug, Default)]
struct Manual {
    before: String,
    example: String,
    after: String,
}

/// A table of the file.
#[derive(Debug, Default)]
struct Part {
    /// Such as `[[ca.band]]`; empty for the keys before all tables.
    written: String,
    words: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    name: String,
    value: String,
    words: String,
}

impl Manual {
    fn read() -> Self {
        let mut manual = Self::default();
        let mut fences = 0;
        for line in SOURCE.lines().map_while(|line| line.strip_prefix("//!")) {
            let line = line.strip_prefix(' ').unwrap_or(line);
            if line.starts_with("```") {
                fences += 1;
                continue;
            }
            let part = match fences {
                0 => &mut manual.before,
                1 => &mut manual.example,
                _ => &mut manual.after,
            };
            part.push_str(line);
            part.push('\n');
        }
        manual
    }

    /// The tables, in order. A comment above a key is about all keys up to the next empty line; one
    /// above a heading is about the table.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::default()];
        let mut at = 0;
        let (mut above, mut shared) = (Vec::new(), String::new());
        for line in self.example.lines() {
            let (text, comment) = without_comment(line);
            if text.is_empty() && comment.is_empty() {
                (above, shared) = (Vec::new(), String::new());
            } else if text.is_empty() {
                above.push(comment.to_owned());
            } else if text.starts_with('[') {
                let known = parts.iter().position(|part| part.written == text);
                at = known.unwrap_or(parts.len());
                if at == parts.len() {
                    parts.push(Part {
                        written: text.to_owned(),
                        ..Part::default()
                    });
                }
                above.push(comment.to_owned());
                parts[at].words.append(&mut above);
                shared = String::new();
            } else {
                let (name, value) = text.split_once(" = ").expect(line);
                if !above.is_empty() {
                    shared = std::mem::take(&mut above).join(" ");
                }
                let words = joined([shared.as_str(), comment]);
                match parts[at].keys.iter_mut().find(|key| key.name == name) {
                    Some(key) => key.words = joined([key.words.as_str(), &words]),
                    None => parts[at].keys.push(Key {
                        name: name.to_owned(),
                        value: value.to_owned(),
                        words,
                    }),
                }
            }
        }
        parts
    }
}

impl Part {
    /// Such as `ca.band`.
    fn heading(&self) -> &str {
        self.written.trim_matches(['[', ']'])
    }

    /// What a file with this table needs before the table's first key.
    fn beginning(&self) -> String {
        match self.heading() {
            "" => String::new(),
            "ca" => "[[ca]]\nname = \"x\"\n".to_owned(),
            "gateway" => concat!(
                "[[gateway]]\nname = \"x\"\nca = \"default\"\nlisten = \"h:1\"\n",
                "upstream = \"http://h\"\n"
            )
            .to_owned(),
            "source" => "[[source]]\nname = \"x\"\n".to_owned(),
            _ => format!("{}\n", self.written),
        }
    }

    /// The default of a key, and the rest of its description.
    fn default_of(&self, key: &Key) -> (String, String) {
        if let Some(rest) = key.words.strip_prefix("Required") {
            let rest = rest.trim_start_matches([',', ':', ';', ' ']);
            return ("required".to_owned(), sentence(rest));
        }
        for (begins, ends) in [("; default ", ";"), ("Default: ", ". "), ("Default ", ";")] {
            if let Some((before, rest)) = key.words.split_once(begins) {
                let (default, after) = rest.split_once(ends).unwrap_or((rest, ""));
                let left = joined([before, after]);
                return (default.trim_end_matches('.').to_owned(), sentence(&left));
            }
        }
        let words = sentence(&key.words);
        if self.heading() == "ca.shadow" {
            return ("as the CA has it".to_owned(), words);
        }
        let without = self.beginning();
        let with = format!("{without}{} = {}\n", key.name, key.value);
        match (Config::parse(&without), Config::parse(&with)) {
            (Ok(without), Ok(with)) if without == with => (format!("`{}`", key.value), words),
            _ => ("none".to_owned(), words),
        }
    }
}

/// The text and the comment of a line.
fn without_comment(line: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted => return (line[..at].trim(), line[at + 1..].trim()),
            _ => {}
        }
    }
    (line.trim(), "")
}

/// Texts joined; each begins with a capital letter.
fn joined<const N: usize>(parts: [&str; N]) -> String {
    let parts: Vec<String> = parts.into_iter().map(str::trim).map(sentence).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let shown: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let mut text = String::new();
    for part in shown {
        if !text.is_empty() {
            text.push_str(if text.ends_with('.') { " " } else { ". " });
        }
        text.push_str(part);
    }
    text
}

/// With a capital letter, unless it begins with a name such as `notBefore` or `ari.example`.
fn sentence(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_name = first.len() > 1 && first.chars().skip(1).any(char::is_uppercase);
    let mut letters = text.chars();
    match letters.next() {
        Some(letter) if !is_name => letter.to_uppercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn page(manual: &Manual) -> String {
    let mut page = format!(
        "<!-- Made from the head of src/config/lib.rs: change that, then run {MADE_BY} -->\n\
         # Configuration\n\n"
    );
    let _ = writeln!(page, "{}", manual.before.trim());
    let _ = writeln!(page, "\n{}", manual.after.trim());
    for part in manual.parts() {
        if is_repeated(part.heading()) {
            continue;
        }
        let title = match part.heading() {
            "" => "The service".to_owned(),
            _ => format!("`{}`", part.written),
        };
        let _ = writeln!(page, "\n## {title}\n");
        let words: Vec<&str> = part.words.iter().map(String::as_str).collect();
        let words = words.join(" ");
        if !words.trim().is_empty() {
            let _ = writeln!(page, "{}\n", words.trim());
        }
        let _ = writeln!(
            page,
            "| key | such as | if not given | is |\n|---|---|---|---|"
        );
        for key in &part.keys {
            let (default, words) = part.default_of(key);
            let cells = [&key.value, &default, &words].map(|cell| cell.replace('|', "\\|"));
            let [value, default, words] = cells;
            let _ = writeln!(page, "| `{}` | `{value}` | {default} | {words} |", key.name);
        }
    }
    let _ = writeln!(page, "\n## A whole file\n\n```toml\n{}```", manual.example);
    page
}

/// Whether a table of a shadow policy is the same as in its CA.
fn is_repeated(heading: &str) -> bool {
    matches!(heading, "ca.shadow.band" | "ca.shadow.capacity")
}

#[test]
fn the_page_is_made_of_the_manual() {
    let made = page(&Manual::read());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    if std::env::var_os("OFFPEAK_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/configuration.md is not what the manual says: run {MADE_BY}"
    );
}

#[test]
fn the_manual_names_each_key_that_is_known_and_no_other() {
    let manual = Manual::read();
    known::forget();
    Config::parse(&manual.example).unwrap();
    let of_shadow = |key: String| match key.strip_prefix("ca.shadow.") {
        Some(rest)
            if is_repeated(&format!(
                "ca.shadow.{}",
                rest.split('.').next().unwrap_or(rest)
            )) =>
        {
            format!("ca.{rest}")
        }
        _ => key,
    };
    let known: BTreeSet<String> = known::keys().into_iter().map(of_shadow).collect();
    let mut named = BTreeSet::new();
    for part in manual.parts() {
        let heading = part.heading();
        for key in &part.keys {
            let path = [heading, &key.name].map(str::to_owned);
            let path = path.join(".").trim_start_matches('.').to_owned();
            named.insert(of_shadow(path));
        }
        if !heading.is_empty() {
            named.insert(of_shadow(heading.to_owned()));
        }
    }
    assert_eq!(
        known, named,
        "what the parser knows on the left, what the manual at the head of config/lib.rs names on \
         the right"
    );
    let shown = page(&manual);
    for key in &named {
        let name = key.rsplit('.').next().unwrap_or(key);
        assert!(shown.contains(name), "{key}");
    }
}

#[test]
fn a_comment_belongs_to_the_key_below_it_or_on_its_line() {
    let manual = Manual {
        example: "# Of both.\na = 1   # required, the first\nb = \"#\"\n\nc = 2\n# Of t.\n[t] # And more.\nd = 3  # so long; default \"1s\"\n".to_owned(),
        ..Manual::default()
    };
    let parts = manual.parts();
    let words: Vec<&str> = parts[0].keys.iter().map(|key| &*key.words).collect();
    assert_eq!(words, ["Of both. Required, the first", "Of both.", ""]);
    assert_eq!(parts[0].keys[1].value, "\"#\"");
    assert_eq!(
        (parts[1].heading(), &*parts[1].words.join(" ")),
        ("t", "Of t. And more.")
    );
    let default = parts[1].default_of(&parts[1].keys[0]);
    assert_eq!(default, ("\"1s\"".to_owned(), "So long".to_owned()));
}
