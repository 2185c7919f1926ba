//! Which paths a source file names: a reader of Rust that is as good as the rules need.

/// A path that a file names, such as `crate::store::Store`, of a `use` or in the code, with
/// `self` and `super` at its start resolved to `crate`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Named {
    pub(crate) path: String,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Token {
    text: String,
    line: usize,
}

/// Every path of the file, which is the module `module` of its crate, such as `["store", "error"]`.
pub(crate) fn paths(text: &str, module: &[&str]) -> Vec<Named> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // Inline modules that are open: their name, and how deep their brace is.
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let text = |ahead: usize| {
            tokens
                .get(at + ahead)
                .map_or("", |token| token.text.as_str())
        };
        match text(0) {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.retain(|(_, brace)| *brace <= depth);
            }
            "mod" if text(2) == "{" => inline.push((text(1).to_owned(), depth + 1)),
            "use" => {
                let here = module_of(module, &inline);
                at += 1;
                at += tree(&tokens[at..], &[], &here, &mut found);
                continue;
            }
            word if is_word(word)
                && text(1) == "::"
                && (at == 0 || tokens[at - 1].text != "::") =>
            {
                let here = module_of(module, &inline);
                let mut segments = vec![word.to_owned()];
                let mut ahead = 1;
                while text(ahead) == "::" && is_word(text(ahead + 1)) {
                    segments.push(text(ahead + 1).to_owned());
                    ahead += 2;
                }
                if !is_visibility(&tokens[..at]) {
                    add(&segments, &here, tokens[at].line, &mut found);
                }
                at += ahead;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Whether a path that stands behind these says who may see something, as in `pub(in crate::engine)`.
fn is_visibility(before: &[Token]) -> bool {
    let last: Vec<&str> = before
        .iter()
        .rev()
        .take(3)
        .map(|token| token.text.as_str())
        .collect();
    last == ["in", "(", "pub"]
}

/// Whether the file names this word outside comments and texts.
pub(crate) fn line_of_word(text: &str, word: &str) -> Option<usize> {
    tokens(text)
        .iter()
        .find(|token| token.text == word)
        .map(|token| token.line)
}

/// The names of the functions of a file.
pub(crate) fn functions(text: &str) -> Vec<String> {
    tokens(text)
        .windows(2)
        .filter(|pair| pair[0].text == "fn" && is_word(&pair[1].text))
        .map(|pair| pair[1].text.clone())
        .collect()
}

fn module_of(module: &[&str], inline: &[(String, usize)]) -> Vec<String> {
    let outer = module.iter().map(|&name| name.to_owned());
    outer
        .chain(inline.iter().map(|(name, _)| name.clone()))
        .collect()
}

/// Reads one tree of a `use`, such as `a::{b, c::d}`; how many tokens it took.
fn tree(tokens: &[Token], prefix: &[String], here: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = prefix.to_vec();
    let mut at = 0;
    let line = tokens.first().map_or(0, |token| token.line);
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at += tree(&tokens[at..], &segments, here, found);
                    if tokens.get(at).is_some_and(|token| token.text == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => at += 2,
            word if is_word(word) || word == "*" => {
                segments.push(word.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    add(&segments, here, line, found);
    at.max(1)
}

fn add(segments: &[String], here: &[String], line: usize, found: &mut Vec<Named>) {
    let mut module = here.to_vec();
    let mut rest = segments;
    let mut relative = false;
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "crate" | "offpeak" => module.clear(),
            "self" => {}
            "super" => {
                module.pop();
            }
            _ => break,
        }
        relative = true;
        rest = tail;
    }
    if let Some(("self", outer)) = rest
        .split_last()
        .map(|(last, outer)| (last.as_str(), outer))
    {
        rest = outer;
    }
    let path: Vec<&str> = if relative {
        std::iter::once("crate")
            .chain(module.iter().chain(rest).map(String::as_str))
            .collect()
    } else {
        rest.iter().map(String::as_str).collect()
    };
    found.push(Named {
        path: path.join("::"),
        line,
    });
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs; no comments, no texts, no characters, no lifetimes.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(&first) = chars.get(at) {
        let start = at;
        let rest = &chars[at..];
        if rest.starts_with(&['/', '/']) {
            at += rest.iter().take_while(|c| **c != '\n').count();
        } else if rest.starts_with(&['/', '*']) {
            at += block_comment(rest);
        } else if let Some(length) = literal(rest) {
            at += length;
        } else if first.is_alphanumeric() || first == '_' {
            at += rest
                .iter()
                .take_while(|c| c.is_alphanumeric() || **c == '_')
                .count();
            let text = chars[start..at].iter().collect();
            tokens.push(Token { text, line });
        } else if rest.starts_with(&[':', ':']) {
            at += 2;
            tokens.push(Token {
                text: "::".to_owned(),
                line,
            });
        } else {
            at += 1;
            if !first.is_whitespace() {
                tokens.push(Token {
                    text: first.to_string(),
                    line,
                });
            }
        }
        line += chars[start..at].iter().filter(|c| **c == '\n').count();
    }
    tokens
}

fn block_comment(chars: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < chars.len() {
        if chars[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if chars[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the text, character or lifetime that begins here.
fn literal(chars: &[char]) -> Option<usize> {
    let prefix = chars
        .iter()
        .take_while(|c| matches!(c, 'b' | 'c' | 'r'))
        .count();
    let hashes = chars[prefix..].iter().take_while(|c| **c == '#').count();
    let raw = chars[..prefix].contains(&'r');
    match chars.get(prefix + hashes)? {
        '"' if raw => {
            let end: String = std::iter::once('"')
                .chain("#".repeat(hashes).chars())
                .collect();
            let end: Vec<char> = end.chars().collect();
            let body = prefix + hashes + 1;
            let length = chars[body..].windows(end.len()).position(|w| w == end)?;
            Some(body + length + end.len())
        }
        '"' if hashes == 0 => quoted(chars, prefix, '"'),
        '\'' if hashes == 0 && prefix <= 1 => {
            // A lifetime has no closing quote behind its first character.
            let character =
                chars.get(prefix + 1) == Some(&'\\') || chars.get(prefix + 2) == Some(&'\'');
            if character {
                quoted(chars, prefix, '\'')
            } else {
                Some(prefix + 1)
            }
        }
        _ => None,
    }
}

fn quoted(chars: &[char], opening: usize, quote: char) -> Option<usize> {
    let mut at = opening + 1;
    while *chars.get(at)? != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    Some(at + 1)
}

#[test]
fn uses_and_paths_are_found_and_comments_and_texts_are_not() {
    let text = r##"
//! crate::no
use crate::{a::B, c::{self, D as E}, f::*};
use super::g;
/* use crate::no; /* nested */ crate::no */
const T: &str = "crate::no \" crate::no"; const C: char = '"'; const R: &str = r#"" crate::no"#;
fn h<'a>(x: &'a std::fs::File) -> crate::i::J { k::l() }
mod tests { use super::*; fn m() { super::super::n::o(); } }
pub(crate) fn p() { self::q() }
pub(in crate::no) fn r() {}
"##;
    let found: Vec<(String, usize)> = paths(text, &["x", "y"])
        .into_iter()
        .map(|named| (named.path, named.line))
        .collect();
    let want = [
        ("crate::a::B", 3),
        ("crate::c", 3),
        ("crate::c::D", 3),
        ("crate::f::*", 3),
        ("crate::x::g", 4),
        ("std::fs::File", 7),
        ("crate::i::J", 7),
        ("k::l", 7),
        ("crate::x::y::*", 8),
        ("crate::x::n::o", 8),
        ("crate::x::y::q", 9),
    ];
    let want = want.map(|(path, line)| (path.to_owned(), line));
    assert_eq!(found, want);
}
