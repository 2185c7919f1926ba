//! Logs of JSON objects, a line each: Caddy, nginx, step-ca (in its text form too) and `OpenBao`.

use std::borrow::Cow;

use serde::Deserialize;

use super::line::{Request, Step, Unreadable, is_success, step_of};
use super::time as times;
use crate::math::number::whole;
use crate::time::Timestamp;

/// A number, or a text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar<'a> {
    Number(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }

    fn time(&self) -> Option<Timestamp> {
        match self {
            // Of a fraction the second that it is in.
            Self::Number(seconds) => times::any(&format!("{:.0}", seconds.floor())),
            Self::Text(text) => times::any(text),
        }
    }
}

#[derive(Deserialize)]
struct Caddy<'a> {
    #[serde(borrow)]
    ts: Scalar<'a>,
    #[serde(borrow)]
    request: CaddyRequest<'a>,
    status: u16,
    duration: Option<f64>,
}

#[derive(Deserialize)]
struct CaddyRequest<'a> {
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    uri: Cow<'a, str>,
}

pub(super) fn caddy(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let read: Caddy<'_> = serde_json::from_str(line).map_err(|_| Unreadable)?;
    let Some(step) = step_of(&read.request.method, &read.request.uri) else {
        return Ok(None);
    };
    Ok(Some(Request {
        at: read.ts.time().ok_or(Unreadable)?,
        step,
        succeeded: is_success(read.status),
        error_type: None,
        latency_ms: read.duration.map(|seconds| seconds * 1_000.0),
    }))
}

#[derive(Deserialize)]
struct Nginx<'a> {
    #[serde(
        borrow,
        alias = "time_iso8601",
        alias = "time_local",
        alias = "msec",
        alias = "timestamp",
        alias = "ts"
    )]
    time: Scalar<'a>,
    #[serde(borrow)]
    request: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "method")]
    request_method: Option<Cow<'a, str>>,
    #[serde(borrow, alias = "uri", alias = "path")]
    request_uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Scalar<'a>,
    #[serde(borrow)]
    request_time: Option<Scalar<'a>>,
}

pub(super) fn nginx(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let read: Nginx<'_> = serde_json::from_str(line).map_err(|_| Unreadable)?;
    let step = match (&read.request, &read.request_method, &read.request_uri) {
        (_, Some(method), Some(target)) => step_of(method, target),
        (Some(request), ..) => {
            let mut words = request.split(' ');
            let (method, target) = (words.next(), words.next());
            method.zip(target).and_then(|(m, t)| step_of(m, t))
        }
        _ => return Err(Unreadable),
    };
    let Some(step) = step else {
        return Ok(None);
    };
    Ok(Some(Request {
        at: read.time.time().ok_or(Unreadable)?,
        step,
        succeeded: is_success(status(&read.status).ok_or(Unreadable)?),
        error_type: None,
        latency_ms: read
            .request_time
            .and_then(|seconds| seconds.number())
            .map(|seconds| seconds * 1_000.0),
    }))
}

#[derive(Deserialize)]
struct StepCa<'a> {
    #[serde(borrow)]
    time: Scalar<'a>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    status: Scalar<'a>,
    #[serde(rename = "duration-ns")]
    #[serde(borrow)]
    duration_ns: Option<Scalar<'a>>,
}

pub(super) fn step_ca(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let in_text;
    let json = if line.starts_with('{') {
        line
    } else {
        in_text = from_text(line).ok_or(Unreadable)?;
        &in_text
    };
    let read: StepCa<'_> = match serde_json::from_str(json) {
        Ok(read) => read,
        // step-ca logs more than requests, and an order may stand in its words.
        Err(_) if !json.contains("\"method\"") => return Ok(None),
        Err(_) => return Err(Unreadable),
    };
    let Some(step) = step_of(&read.method, &read.path) else {
        return Ok(None);
    };
    Ok(Some(Request {
        at: read.time.time().ok_or(Unreadable)?,
        step,
        succeeded: is_success(status(&read.status).ok_or(Unreadable)?),
        error_type: None,
        latency_ms: read
            .duration_ns
            .and_then(|ns| ns.number())
            .map(|ns| ns / 1e6),
    }))
}

/// `key=value key="value with spaces"`, as JSON.
fn from_text(line: &str) -> Option<String> {
    let mut fields = serde_json::Map::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (key, value) = rest.split_once('=')?;
        let end = if let Some(quoted) = value.strip_prefix('"') {
            let mut escaped = false;
            let end = quoted.char_indices().find(|(_, letter)| {
                let ends = *letter == '"' && !escaped;
                escaped = *letter == '\\' && !escaped;
                ends
            });
            end?.0 + 2
        } else {
            value.find(' ').unwrap_or(value.len())
        };
        let (value, after) = value.split_at(end);
        let value = value.trim_matches('"').to_owned();
        fields.insert(key.trim().to_owned(), value.into());
        rest = after.trim_start();
    }
    serde_json::to_string(&fields).ok()
}

#[derive(Deserialize)]
struct OpenBao<'a> {
    #[serde(borrow)]
    time: Scalar<'a>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: OpenBaoRequest<'a>,
    #[serde(borrow, default)]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct OpenBaoRequest<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
}

pub(super) fn openbao(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let read: OpenBao<'_> = serde_json::from_str(line).map_err(|_| Unreadable)?;
    // Each request has a line of its own before its response has one.
    if read.kind != "response" || !matches!(&*read.request.operation, "update" | "create") {
        return Ok(None);
    }
    let mut parts = read.request.path.split('/').skip(1);
    let step = match parts.next() {
        Some("issue" | "sign" | "sign-verbatim") => Some(Step::Whole),
        _ => step_of("POST", &read.request.path),
    };
    let Some(step) = step else {
        return Ok(None);
    };
    Ok(Some(Request {
        at: read.time.time().ok_or(Unreadable)?,
        step,
        succeeded: read.error.is_none_or(|error| error.is_empty()),
        error_type: None,
        latency_ms: None,
    }))
}

#[derive(Deserialize)]
struct Timed<'a> {
    #[serde(
        borrow,
        alias = "time_iso8601",
        alias = "time_local",
        alias = "msec",
        alias = "timestamp",
        alias = "ts"
    )]
    time: Scalar<'a>,
}

pub(super) fn time(line: &str) -> Option<Timestamp> {
    if line.starts_with('{') {
        return serde_json::from_str::<Timed<'_>>(line).ok()?.time.time();
    }
    let text = from_text(line)?;
    serde_json::from_str::<Timed<'_>>(&text).ok()?.time.time()
}

fn status(given: &Scalar<'_>) -> Option<u16> {
    let status = whole(given.number()?);
    u16::try_from(status)
        .ok()
        .filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-11-28T12:30:13Z".parse().unwrap()
    }

    #[test]
    fn a_line_of_caddy() {
        let line = r#"{"level":"info","ts":1795869013.9241,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"192.0.2.1","method":"POST","host":"x","uri":"/acme/local/new-order","headers":{"User-Agent":["curl\"/8"]}},"duration":0.25,"size":3,"status":201}"#;
        let read = caddy(line).unwrap().unwrap();
        assert_eq!(
            (read.at, read.step, read.succeeded),
            (at(), Step::NewOrder, true)
        );
        assert_eq!(read.latency_ms, Some(250.0));
        assert_eq!(time(line), Some(at()));
        assert_eq!(caddy(&line.replace("new-order", "order/1")), Ok(None));
        assert_eq!(caddy(&line.replace("201", "\"x\"")), Err(Unreadable));
    }

    #[test]
    fn lines_of_nginx_with_either_spelling() {
        for line in [
            r#"{"time":"2026-11-28T12:30:13+00:00","request":"POST /acme/finalize/1/2 HTTP/1.1","status":"500","request_time":"0.100"}"#,
            r#"{"msec":"1795869013.123","request_method":"POST","request_uri":"/acme/finalize/1/2","status":500,"request_time":0.1}"#,
        ] {
            let read = nginx(line).unwrap().unwrap();
            assert_eq!(
                (read.at, read.step, read.succeeded),
                (at(), Step::Finalize, false)
            );
            assert_eq!(read.latency_ms, Some(100.0), "{line}");
            assert_eq!(time(line), Some(at()));
        }
        assert_eq!(nginx("{}"), Err(Unreadable));
    }

    #[test]
    fn lines_of_step_ca_in_json_and_in_text() {
        for line in [
            r#"{"duration":"1.5ms","duration-ns":1500000,"level":"info","method":"POST","msg":"","name":"ca","path":"/acme/acme/new-order","status":201,"time":"2026-11-28T12:30:13Z"}"#,
            r#"time="2026-11-28T12:30:13Z" level=info duration=1.5ms duration-ns=1500000 method=POST name=ca path=/acme/acme/new-order status=201 user-agent="a \"b\" c""#,
        ] {
            let read = step_ca(line).unwrap().unwrap();
            assert_eq!(
                (read.at, read.step, read.succeeded),
                (at(), Step::NewOrder, true),
                "{line}"
            );
            assert_eq!(read.latency_ms, Some(1.5));
            assert_eq!(time(line), Some(at()));
        }
        assert_eq!(
            step_ca(r#"{"level":"error","msg":"order failed","time":"x"}"#),
            Ok(None)
        );
    }

    #[test]
    fn lines_of_openbao_count_their_response_alone() {
        let line = r#"{"time":"2026-11-28T12:30:13.1Z","type":"response","auth":{},"request":{"id":"a","operation":"update","path":"pki/acme/new-order"},"response":{}}"#;
        let read = openbao(line).unwrap().unwrap();
        assert_eq!(
            (read.at, read.step, read.succeeded),
            (at(), Step::NewOrder, true)
        );
        assert_eq!(
            openbao(&line.replace("\"response\",", "\"request\",")),
            Ok(None)
        );
        let issue = line.replace("pki/acme/new-order", "pki/issue/web");
        assert_eq!(openbao(&issue).unwrap().unwrap().step, Step::Whole);
        let failed = line.replace("\"type\"", "\"error\":\"1 error\",\"type\"");
        assert!(!openbao(&failed).unwrap().unwrap().succeeded);
    }
}
