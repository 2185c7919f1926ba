//! `combined`, of Apache and nginx: `ADDRESS - USER [TIME] "METHOD TARGET PROTOCOL" STATUS OCTETS
//! "REFERER" "AGENT"`, and what a `log_format` puts behind it.

use super::line::{Request, Unreadable, is_success, step_of};
use super::time;
use crate::time::Timestamp;

pub(super) fn read(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let (_, rest) = line.split_once('[').ok_or(Unreadable)?;
    let (at, rest) = rest.split_once(']').ok_or(Unreadable)?;
    let (_, rest) = rest.split_once('"').ok_or(Unreadable)?;
    // What a client sends is written with its quotes escaped.
    let (request, rest) = rest.split_once('"').ok_or(Unreadable)?;
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
        at: time::common(at).ok_or(Unreadable)?,
        step,
        succeeded: is_success(status),
        error_type: None,
        latency_ms: latency_ms(rest),
    }))
}

pub(super) fn time(line: &str) -> Option<Timestamp> {
    let (_, rest) = line.split_once('[')?;
    time::common(rest.split_once(']')?.0)
}

/// A number behind the user agent: with a point it is nginx's `$request_time` in seconds, without one
/// Apache's `%D` in microseconds.
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
