//! The `combined` format of Apache and nginx: `ADDRESS - USER [TIME] "METHOD TARGET PROTOCOL"
//! STATUS OCTETS "REFERER" "AGENT"`, followed by whatever a `log_format` adds.

use std::borrow::Cow;

use super::line::{Request, Unreadable, is_success, step_of};
use super::time;
use crate::time::Timestamp;

pub(super) fn read(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let (before, rest) = split_at_quote(line).ok_or(Unreadable)?;
    let (request, rest) = split_at_quote(rest).ok_or(Unreadable)?;
    let mut words = request.split(' ');
    let (method, target) = (words.next(), words.next());
    let Some(step) = method.zip(target).and_then(|(m, t)| step_of(m, t)) else {
        return Ok(None);
    };
    let mut fields = rest.trim_start().split(' ');
    let status: u16 = fields
        .next()
        .and_then(|status| status.parse().ok())
        .ok_or(Unreadable)?;
    Ok(Some(Request {
        at: written_at(before).ok_or(Unreadable)?,
        step,
        succeeded: is_success(status),
        error_type: None,
        latency_ms: latency_ms(rest),
        agent: agent(rest).map(Cow::Borrowed),
    }))
}

pub(super) fn time(line: &str) -> Option<Timestamp> {
    written_at(split_at_quote(line)?.0)
}

/// The time in the last brackets before the request. The first brackets may be part of the user
/// name, which a client can choose freely.
fn written_at(before: &str) -> Option<Timestamp> {
    let before = before.trim_end().strip_suffix(']')?;
    time::common(before.rsplit_once('[')?.1)
}

/// Splits at the first quote that is not escaped. nginx writes a client's quote as `\x22` and
/// Apache as `\"`; a backslash is doubled or written as `\x5C`.
fn split_at_quote(text: &str) -> Option<(&str, &str)> {
    let octets = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', octets.get(at..)?)?;
        if octets[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        at += 2;
    }
}

/// The second quoted text after the request.
fn agent(rest: &str) -> Option<&str> {
    let (_, behind) = split_at_quote(rest)?;
    let (_, behind) = split_at_quote(behind)?;
    let (_, behind) = split_at_quote(behind)?;
    Some(split_at_quote(behind)?.0)
}

/// A number after the user agent: with a decimal point it is nginx's `$request_time` in seconds,
/// otherwise Apache's `%D` in microseconds.
fn latency_ms(rest: &str) -> Option<f64> {
    let (before, last) = rest.trim_end().rsplit_once(' ')?;
    if !before.ends_with('"') {
        return None;
    }
    let last = last.trim_matches('"');
    let number: f64 = last.parse().ok()?;
    let plain = last
        .bytes()
        .all(|octet| octet.is_ascii_digit() || octet == b'.');
    plain.then_some(if last.contains('.') {
        number * 1_000.0
    } else {
        number / 1_000.0
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::Step;
    use super::*;

    const LINE: &str = r#"2001:db8::1 - - [28/Nov/2026:12:30:13 +0000] "POST /acme/new-order HTTP/2.0" 201 345 "-" "certbot/5.8.0 (\x22x\x22)""#;

    #[test]
    fn lines_of_nginx_and_apache_are_read() {
        let read = read(LINE).unwrap().unwrap();
        assert_eq!(read.at, "2026-11-28T12:30:13Z".parse().unwrap());
        assert_eq!((read.step, read.succeeded), (Step::NewOrder, true));
        assert_eq!(read.latency_ms, None);
        assert_eq!(read.agent.as_deref(), Some(r"certbot/5.8.0 (\x22x\x22)"));
    }

    #[test]
    fn what_is_behind_is_a_latency() {
        for (behind, want) in [
            (" 0.250", Some(250.0)),
            (" 250000", Some(250.0)),
            (" x", None),
        ] {
            let line = format!("{LINE}{behind}");
            assert_eq!(read(&line).unwrap().unwrap().latency_ms, want, "{behind}");
        }
        let refused = LINE.replace(" 201 ", " 429 ");
        assert!(!read(&refused).unwrap().unwrap().succeeded);
    }

    #[test]
    fn what_a_client_writes_hides_neither_time_nor_request() {
        let user = |name: &str| LINE.replace(" - - [", &format!(" - {name} ["));
        let nginx = |request: &str| LINE.replace("POST /acme/new-order HTTP/2.0", request);
        for line in [
            // `curl -u '[:x'`, and worse: nginx logs the name as it was sent.
            user("["),
            user("[28/Nov/2020:00:00:00 +0000]"),
            user("] [x] ]"),
            user(r"a\\x22 [x"),
            // Apache escapes a quote with a backslash.
            user(r#"a\" [x"#),
            nginx(r#"POST /acme/new-order?a\"b HTTP/1.1"#),
            nginx(r"POST /acme/new-order?a\\ HTTP/1.1"),
        ] {
            let read = read(&line).unwrap().unwrap();
            assert_eq!(read.at, "2026-11-28T12:30:13Z".parse().unwrap(), "{line}");
            assert!(read.step == Step::NewOrder && read.succeeded, "{line}");
            assert_eq!(time(&line), Some(read.at), "{line}");
        }
    }

    #[test]
    fn what_is_no_such_line_is_said() {
        for wrong in [
            "",
            "x",
            "[y] new-order",
            &LINE.replace(" 201 ", " ok "),
            &LINE.replace("Nov", "Now"),
        ] {
            assert_eq!(read(wrong), Err(Unreadable), "{wrong}");
        }
        assert_eq!(read(&LINE.replace("POST", "GET")), Ok(None));
    }
}
