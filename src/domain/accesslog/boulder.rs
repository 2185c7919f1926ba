//! Boulder's log lines: `TIME … COMMAND CHECKSUM METHOD ENDPOINT REQUESTER CODE LATENCY_MS REALIP
//! JSON={…}` of its web front end, and `… Certificate request - successful JSON={…}` of its
//! registration authority.

use std::borrow::Cow;

use serde::Deserialize;

use super::line::{Request, Step, Unreadable, is_success, step_of};
use super::time as times;
use crate::time::Timestamp;

/// The start of a line's JSON object.
const OBJECT: &str = " JSON=";

#[derive(Deserialize)]
struct FrontEnd<'a> {
    #[serde(borrow, rename = "Error")]
    error: Option<Cow<'a, str>>,
}

pub(super) fn front_end(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let Some((before, json)) = line.split_once(OBJECT) else {
        // Not every line describes a request.
        return Ok(None);
    };
    let mut words = before.rsplit(' ');
    // From the end: address, latency, status, requester, endpoint, method.
    let (_, latency, status) = (words.next(), words.next(), words.next());
    let (_, endpoint, method) = (words.next(), words.next(), words.next());
    let Some(step) = method.zip(endpoint).and_then(|(m, e)| step_of(m, e)) else {
        return Ok(None);
    };
    let status: u16 = status
        .and_then(|text| text.parse().ok())
        .ok_or(Unreadable)?;
    let succeeded = is_success(status);
    let error_type = if succeeded {
        None
    } else {
        let report: FrontEnd<'_> = serde_json::from_str(json.trim_end()).map_err(|_| Unreadable)?;
        report.error.and_then(|error| error_type(&error))
    };
    Ok(Some(Request {
        at: time(line).ok_or(Unreadable)?,
        step,
        succeeded,
        error_type,
        latency_ms: latency.and_then(|text| text.parse().ok()),
        agent: agent(json),
    }))
}

/// The client's name up to its first quote, which no known name contains.
fn agent(json: &str) -> Option<Cow<'_, str>> {
    let (_, behind) = json.split_once("\"ua\":\"")?;
    Some(Cow::Borrowed(behind.split_once('"')?.0))
}

#[derive(Deserialize)]
struct Audit<'a> {
    #[serde(borrow, rename = "RequestTime")]
    request_time: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ResponseTime")]
    response_time: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "Error")]
    error: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "UserAgent")]
    agent: Option<Cow<'a, str>>,
}

pub(super) fn audit(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let Some((before, json)) = line.split_once(OBJECT) else {
        return Ok(None);
    };
    let succeeded = before.ends_with("Certificate request - successful");
    let read: Audit<'_> = serde_json::from_str(json.trim_end()).map_err(|_| Unreadable)?;
    let report = read.response_time.or(read.request_time);
    let at = report
        .and_then(|report| times::any(&report))
        .or_else(|| time(line));
    Ok(Some(Request {
        at: at.ok_or(Unreadable)?,
        step: Step::Finalize,
        succeeded,
        error_type: read.error.and_then(|error| error_type(&error)),
        latency_ms: None,
        agent: read.agent,
    }))
}

/// The first word that is a time; syslog and journald may prepend others.
pub(super) fn time(line: &str) -> Option<Timestamp> {
    line.split(' ').take(3).find_map(times::any)
}

/// The type in `400 :: malformed :: …` or `urn:ietf:params:acme:error:malformed :: …`.
fn error_type<'a>(error: &str) -> Option<Cow<'a, str>> {
    const URN: &str = "urn:ietf:params:acme:error:";
    let mut parts = error.split(" :: ").map(str::trim);
    let fits = |word: &&str| {
        let name = word.strip_prefix(URN).unwrap_or(word);
        (1..=60).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_alphabetic())
    };
    // A message alone names no type.
    parts.clone().nth(1)?;
    let word = parts.find(fits)?;
    let name = word.strip_prefix(URN).unwrap_or(word);
    Some(Cow::Owned(format!("{URN}{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"2026-11-28T12:30:13.123456+00:00 6 boulder-wfe2 u7jC1QE POST /acme/new-order 123 429 15 192.0.2.1 JSON={"Slug":"","Error":"429 :: rateLimited :: too many","ua":"certbot"}"#;

    #[test]
    fn a_line_of_the_front_end() {
        let read = front_end(LINE).unwrap().unwrap();
        assert_eq!(read.at, "2026-11-28T12:30:13Z".parse().unwrap());
        assert_eq!((read.step, read.succeeded), (Step::NewOrder, false));
        assert_eq!(
            read.error_type.as_deref(),
            Some("urn:ietf:params:acme:error:rateLimited")
        );
        assert_eq!(read.latency_ms, Some(15.0));
        assert_eq!(read.agent.as_deref(), Some("certbot"));
        let good = LINE.replace(" 429 15", " 201 15");
        let read = front_end(&good).unwrap().unwrap();
        assert!(read.succeeded && read.error_type.is_none());
        assert_eq!(front_end(&LINE.replace("new-order", "new-acct")), Ok(None));
        assert_eq!(front_end("2026 new-order"), Ok(None));
    }

    #[test]
    fn a_line_of_the_registration_authority() {
        let line = r#"2026-11-28T12:30:14Z 6 boulder-ra u7jC1QE [AUDIT] Certificate request - successful JSON={"ID":"x","RequestTime":"2026-11-28T12:30:10Z","ResponseTime":"2026-11-28T12:30:13.9Z","SerialNumber":"03"}"#;
        let read = audit(line).unwrap().unwrap();
        assert_eq!(read.at, "2026-11-28T12:30:13Z".parse().unwrap());
        assert_eq!((read.step, read.succeeded), (Step::Finalize, true));
        let failed = line.replace("successful", "error").replace(
            "\"SerialNumber\":\"03\"",
            "\"Error\":\"urn:ietf:params:acme:error:caa :: no\"",
        );
        let read = audit(&failed).unwrap().unwrap();
        assert!(!read.succeeded);
        assert_eq!(
            read.error_type.as_deref(),
            Some("urn:ietf:params:acme:error:caa")
        );
    }
}
