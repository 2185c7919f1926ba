//! HTTP conversations as text: requests as they are sent and answers as they have to be.
//!
//! A file in `scripts/` holds cases; each has a service of its own. `==` begins a case, and the rest
//! of the line is the name of its test. Lines with `>` are a request and lines with `<` its answer, as
//! curl shows them with `-v`: the first line, headers, an empty line, the body. `@` sets the clock.
//!
//! In an answer `*` stands for any text, a header that begins with `!` may not be there, and headers
//! that are not named may be; without a body in the script any will do. `$NAME` stands for what was found
//! there the first time; in a request, for the same. `$ADMIN` and `$INGEST` are tokens. A JSON body may be
//! laid out over several lines.

use std::collections::HashMap;

use offpeak::http;
use reqwest::{Method, Response};

use crate::server::{ADMIN, INGEST, TestServer};

/// Runs one case of a file.
pub(super) async fn run(file: &str, name: &str) {
    let wanted = name.replace('_', " ");
    let (_, steps) = cases(file)
        .find(|(title, _)| *title == wanted)
        .unwrap_or_else(|| panic!("no case {wanted:?}"));
    let server = TestServer::start().await;
    let mut found = HashMap::from([
        ("ADMIN".to_owned(), ADMIN.to_owned()),
        ("INGEST".to_owned(), INGEST.to_owned()),
    ]);
    for step in read(steps) {
        match step {
            Step::Clock(at) => server.clock.set(at.parse().unwrap()),
            Step::Exchange { request, answer } => {
                let got = send(&server, &filled(&request, &found)).await;
                assert_answer(&request, &answer, got, &mut found).await;
            }
        }
    }
}

/// The cases of a file: their titles and their lines.
pub(super) fn cases(file: &str) -> impl Iterator<Item = (&str, &str)> {
    file.split("\n== ").skip(1).map(|case| {
        let (title, steps) = case.split_once('\n').unwrap();
        (title.trim(), steps)
    })
}

enum Step {
    Clock(String),
    Exchange { request: String, answer: String },
}

fn read(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .peekable();
    while let Some(line) = lines.next() {
        let (mark, rest) = line.split_at(1);
        match mark {
            "@" => steps.push(Step::Clock(rest.trim().to_owned())),
            ">" => {
                let mut request = vec![content(line)];
                while let Some(line) = lines.next_if(|line| line.starts_with('>')) {
                    request.push(content(line));
                }
                let mut answer = Vec::new();
                while let Some(line) = lines.next_if(|line| line.starts_with('<')) {
                    answer.push(content(line));
                }
                assert!(!answer.is_empty(), "{request:?} has no answer");
                let [request, answer] = [request, answer].map(|lines| lines.join("\n"));
                steps.push(Step::Exchange { request, answer });
            }
            _ => panic!("neither a request, an answer, nor a time: {line}"),
        }
    }
    assert!(!steps.is_empty(), "nothing is asked");
    steps
}

/// What stands behind the mark.
fn content(line: &str) -> &str {
    let rest = &line[1..];
    rest.strip_prefix(' ').unwrap_or(rest)
}

/// With what was found in the place of its names.
fn filled(text: &str, found: &HashMap<String, String>) -> String {
    found.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${name}"), value)
    })
}

/// The listener is the admin's where the route is one of its.
async fn send(server: &TestServer, request: &str) -> Response {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let segments = |path: &str| path.split(['?', '/']).nth(1).map(str::to_owned);
    let of_admin = path.starts_with("/v1/") && !is_public(path)
        || http::ADMIN
            .iter()
            .any(|route| !route.path.starts_with("/v1/") && segments(route.path) == segments(path));
    let mut asked = if of_admin {
        server.ask_admin(method, path)
    } else {
        server.ask(method, path)
    };
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        asked = asked.header(name, value);
    }
    asked.body(body.to_owned()).send().await.unwrap()
}

fn is_public(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    http::PUBLIC.iter().any(|route| route.path == path)
}

async fn assert_answer(
    request: &str,
    wanted: &str,
    got: Response,
    found: &mut HashMap<String, String>,
) {
    let (head, body) = match wanted.split_once("\n\n") {
        Some((head, body)) => (head, Some(body)),
        // An empty line and nothing after it: there is no body.
        None => (wanted, wanted.ends_with('\n').then_some("")),
    };
    let mut lines = head.lines();
    let status = lines.next().unwrap();
    let headers = got.headers().clone();
    let got_status = got.status();
    let text = got.text().await.unwrap();
    let said = || format!("> {request}\n< {got_status} {headers:?}\n{text}");
    assert_eq!(status, got_status.as_str(), "{}", said());
    for line in lines {
        if let Some(absent) = line.strip_prefix('!') {
            assert!(!headers.contains_key(absent), "{absent}: {}", said());
            continue;
        }
        let (name, wanted) = line.split_once(": ").unwrap();
        let value = headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {}", said()))
            .to_str()
            .unwrap();
        assert!(matches(wanted, value, found), "{line}: {}", said());
    }
    if let Some(body) = body {
        let json = body.starts_with(['{', '[']);
        let body = if json {
            body.lines().map(str::trim).collect()
        } else {
            body.to_owned()
        };
        assert!(matches(&body, text.trim_end(), found), "{body}: {}", said());
    }
}

/// Whether a text is as a pattern has it; what stands for a name not known yet is then known. A gap
/// ends at the first place where what stands behind it is found.
fn matches(pattern: &str, text: &str, found: &mut HashMap<String, String>) -> bool {
    let mut pattern = filled(pattern, found);
    let mut left = text;
    while let Some((fixed, name, rest)) = first_gap(&pattern) {
        let Some(behind) = left.strip_prefix(fixed) else {
            return false;
        };
        let end = match first_gap(rest) {
            Some((next, ..)) => behind.find(next),
            None => behind.strip_suffix(rest).map(str::len),
        };
        let Some(end) = end else {
            return false;
        };
        if let Some(name) = name {
            found.insert(name.to_owned(), behind[..end].to_owned());
        }
        left = &behind[end..];
        pattern = filled(rest, found);
    }
    pattern == left
}

/// What stands before the first `*` or `$NAME`, the name, and what stands after it.
fn first_gap(pattern: &str) -> Option<(&str, Option<&str>, &str)> {
    let at = pattern.find(['*', '$'])?;
    let (fixed, gap) = pattern.split_at(at);
    let rest = &gap[1..];
    if gap.starts_with('*') {
        return Some((fixed, None, rest));
    }
    let length = rest
        .find(|letter: char| !letter.is_ascii_uppercase() && letter != '_')
        .unwrap_or(rest.len());
    let (name, rest) = rest.split_at(length);
    Some((fixed, Some(name), rest))
}

#[test]
fn a_pattern_takes_what_it_says_and_nothing_else() {
    for (pattern, text, want) in [
        ("a*c", "abbc", true),
        ("a*c", "abbd", false),
        ("*", "", true),
        ("a$X-$X", "ab-b", true),
        ("a$X-$X", "ab-c", false),
        ("{\"a\":*}", "{\"a\":1,\"b\":2}", true),
        ("a", "ab", false),
    ] {
        let mut found = HashMap::new();
        assert_eq!(matches(pattern, text, &mut found), want, "{pattern} {text}");
    }
}
