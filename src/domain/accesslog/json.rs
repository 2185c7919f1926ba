//! Logs with one JSON object per line: Caddy, step-ca (also in its text form) and `OpenBao`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::line::{Request, Step, Unreadable, is_success, step_of};
use super::time as times;
use crate::math::number::whole;
use crate::time::Timestamp;

/// A number, or a text that contains one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar<'a> {
    Number(f64),
    #[serde(borrow)]
    Text(Cow<'a, str>),
}

impl Scalar<'_> {
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }

    pub(super) fn time(&self) -> Option<Timestamp> {
        match self {
            // Fractions of a second are dropped.
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
    #[serde(borrow, default)]
    headers: CaddyHeaders<'a>,
}

#[derive(Default, Deserialize)]
struct CaddyHeaders<'a> {
    #[serde(borrow, default, rename = "User-Agent")]
    agent: Vec<Cow<'a, str>>,
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
        agent: read.request.headers.agent.into_iter().next(),
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
    #[serde(borrow, rename = "user-agent")]
    agent: Option<Cow<'a, str>>,
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
        // step-ca logs more than requests, and an ordinary message may mention an order.
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
        // The text form was converted, so its texts cannot be borrowed.
        agent: read.agent.map(|agent| Cow::Owned(agent.into_owned())),
    }))
}

/// Converts `key=value key="value with spaces"` to JSON.
pub(super) fn from_text(line: &str) -> Option<String> {
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
    #[serde(borrow)]
    response: Option<OpenBaoResponse<'a>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct OpenBaoRequest<'a> {
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow)]
    mount_type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct OpenBaoResponse<'a> {
    #[serde(borrow)]
    data: Option<OpenBaoData<'a>>,
}

/// The response. Texts are hashed unless the mount is configured otherwise.
#[derive(Deserialize)]
struct OpenBaoData<'a> {
    /// Why the request was rejected.
    error: Option<IgnoredAny>,
    /// In ACME responses.
    #[serde(borrow)]
    http_status_code: Option<Scalar<'a>>,
    #[serde(borrow)]
    http_raw_body: Option<Cow<'a, str>>,
}

impl OpenBaoData<'_> {
    fn refuses(&self) -> bool {
        let code = self.http_status_code.as_ref().and_then(status);
        self.error.is_some() || code.is_some_and(|code| !is_success(code))
    }

    /// The type of the ACME problem in the response.
    fn error_type(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Problem {
            r#type: String,
        }
        let problem = serde_json::from_str::<Problem>(self.http_raw_body.as_deref()?);
        Some(problem.ok()?.r#type)
    }
}

pub(super) fn openbao(line: &str) -> Result<Option<Request<'_>>, Unreadable> {
    let read: OpenBao<'_> = serde_json::from_str(line).map_err(|_| Unreadable)?;
    // Each request is logged once before its response is.
    if read.kind != "response" || !matches!(&*read.request.operation, "update" | "create") {
        return Ok(None);
    }
    // Other engines, such as those that sign for SSH, issue no certificates.
    let mount_type = read.request.mount_type.as_deref();
    if mount_type.is_some_and(|of| of != "pki") {
        return Ok(None);
    }
    // `MOUNT/issue/ROLE` and `MOUNT/issuer/ISSUER/issue/ROLE`; a mount's name may contain slashes.
    let mut parts = read.request.path.split('/').skip(1);
    let step = if parts.any(|part| matches!(part, "issue" | "sign" | "sign-verbatim")) {
        Some(Step::Whole)
    } else {
        step_of("POST", &read.request.path)
    };
    let Some(step) = step else {
        return Ok(None);
    };
    // Failures of OpenBao itself are in `error` next to the response. Refusals by a mount, and all
    // ACME errors, are in the response.
    let data = read.response.and_then(|response| response.data);
    let refused = data.filter(OpenBaoData::refuses);
    let error_type = refused.as_ref().and_then(OpenBaoData::error_type);
    Ok(Some(Request {
        at: read.time.time().ok_or(Unreadable)?,
        step,
        succeeded: refused.is_none() && read.error.is_none_or(|error| error.is_empty()),
        error_type: error_type.map(Cow::Owned),
        latency_ms: None,
        agent: None,
    }))
}

#[derive(Deserialize)]
struct Timed<'a> {
    #[serde(borrow)]
    time: Option<Scalar<'a>>,
    #[serde(borrow)]
    ts: Option<Scalar<'a>>,
}

pub(super) fn time(line: &str) -> Option<Timestamp> {
    let in_text;
    let json = if line.starts_with('{') {
        line
    } else {
        in_text = from_text(line)?;
        &in_text
    };
    let read: Timed<'_> = serde_json::from_str(json).ok()?;
    read.ts.or(read.time)?.time()
}

pub(super) fn status(given: &Scalar<'_>) -> Option<u16> {
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
        assert_eq!(read.agent.as_deref(), Some("curl\"/8"));
        assert_eq!(time(line), Some(at()));
        assert_eq!(caddy(&line.replace("new-order", "order/1")), Ok(None));
        assert_eq!(caddy(&line.replace("201", "\"x\"")), Err(Unreadable));
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
        for path in [
            "pki/issue/web",
            "pki/prod/issue/web",
            "pki/issuer/default/issue/web",
            "pki/issuer/default/sign/web",
        ] {
            let issue = line.replace("pki/acme/new-order", path);
            assert_eq!(openbao(&issue).unwrap().unwrap().step, Step::Whole);
            let of_ssh = issue.replace("\"path\"", "\"mount_type\":\"ssh\",\"path\"");
            assert_eq!(openbao(&of_ssh), Ok(None));
        }
        let failed = line.replace("\"type\"", "\"error\":\"1 error\",\"type\"");
        assert!(!openbao(&failed).unwrap().unwrap().succeeded);
    }

    #[test]
    fn what_openbao_refuses_is_in_its_answer() {
        let line = |path: &str, data: &str| {
            let request = format!(r#"{{"operation":"update","path":"{path}","mount_type":"pki"}}"#);
            format!(
                r#"{{"time":"2026-11-28T12:30:13.1Z","type":"response","request":{request},"response":{{"data":{{{data}}}}}}}"#
            )
        };
        let problem = r#""http_raw_body":"{\"type\":\"urn:ietf:params:acme:error:malformed\"}""#;
        for (path, data, want) in [
            (
                "pki/issue/web",
                r#""certificate":"hmac-sha256:7","expiration":1796041522"#,
                (true, None),
            ),
            (
                "pki/issue/web",
                r#""error":"hmac-sha256:c1""#,
                (false, None),
            ),
            (
                "pki/acme/new-order",
                r#""http_status_code":201,"http_raw_body":"hmac-sha256:9""#,
                (true, None),
            ),
            (
                "pki/acme/new-order",
                r#""http_status_code":400,"http_raw_body":"hmac-sha256:9""#,
                (false, None),
            ),
            (
                "pki/acme/new-order",
                &format!(r#""http_status_code":400,{problem}"#),
                (false, Some("urn:ietf:params:acme:error:malformed")),
            ),
        ] {
            let line = line(path, data);
            let read = openbao(&line).unwrap().unwrap();
            assert_eq!((read.succeeded, read.error_type.as_deref()), want, "{line}");
        }
    }
}
