//! nginx with a JSON `log_format`, whose fields are named after the nginx variables in them, or
//! have other usual names.
//!
//! A `log_format` may contain the time, path or method more than once, so the order of preference
//! is: for the time, the first valid one of `time_iso8601`, `time`, `timestamp`, `msec`, `ts` and
//! `time_local`; for the path, `request_uri` as sent by the client, then `uri` and `path`, which
//! nginx may have rewritten; for the method, `request_method`, then `method`. `request` fills in
//! what is missing.

use std::borrow::Cow;

use serde::Deserialize;

use super::json::{Scalar, status};
use super::line::{Request, Unreadable, is_success, step_of};
use crate::time::Timestamp;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    time_iso8601: Option<Scalar<'a>>,
    #[serde(borrow)]
    time: Option<Scalar<'a>>,
    #[serde(borrow)]
    timestamp: Option<Scalar<'a>>,
    #[serde(borrow)]
    msec: Option<Scalar<'a>>,
    #[serde(borrow)]
    ts: Option<Scalar<'a>>,
    #[serde(borrow)]
    time_local: Option<Scalar<'a>>,
    #[serde(borrow)]
    request: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    uri: Option<Cow<'a, str>>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Scalar<'a>>,
    #[serde(borrow)]
    request_time: Option<Scalar<'a>>,
    #[serde(borrow)]
    http_user_agent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    user_agent: Option<Cow<'a, str>>,
}

pub(super) fn read(line: &str) -> Result<Option<Request<'static>>, Unreadable> {
    let unescaped;
    let read: Line<'_> = match serde_json::from_str(line) {
        Ok(read) => read,
        // Without `escape=json` nginx writes a client's quote as `\x22`, which is invalid JSON.
        Err(_) if line.contains(r"\x") => {
            unescaped = line.replace(r"\x", r"\\x");
            serde_json::from_str(&unescaped).map_err(|_| Unreadable)?
        }
        Err(_) => return Err(Unreadable),
    };
    let (method, target) = read.request().ok_or(Unreadable)?;
    let Some(step) = step_of(method, target) else {
        return Ok(None);
    };
    let status = read.status.as_ref().and_then(status);
    let seconds = read.request_time.as_ref().and_then(Scalar::number);
    Ok(Some(Request {
        at: read.at().ok_or(Unreadable)?,
        step,
        succeeded: is_success(status.ok_or(Unreadable)?),
        error_type: None,
        latency_ms: seconds.map(|seconds| seconds * 1_000.0),
        agent: read.agent(),
    }))
}

pub(super) fn time(line: &str) -> Option<Timestamp> {
    serde_json::from_str::<Line<'_>>(line).ok()?.at()
}

impl Line<'_> {
    fn at(&self) -> Option<Timestamp> {
        let times = [
            &self.time_iso8601,
            &self.time,
            &self.timestamp,
            &self.msec,
            &self.ts,
            &self.time_local,
        ];
        times.into_iter().flatten().find_map(Scalar::time)
    }

    fn agent(&self) -> Option<Cow<'static, str>> {
        let agent = self.http_user_agent.as_ref().or(self.user_agent.as_ref())?;
        Some(Cow::Owned(agent.to_string()))
    }

    /// The method and the request target.
    fn request(&self) -> Option<(&str, &str)> {
        let method = self.request_method.as_deref().or(self.method.as_deref());
        let paths = [&self.request_uri, &self.uri, &self.path];
        let path = paths.into_iter().find_map(Option::as_deref);
        let mut words = self.request.as_deref().unwrap_or_default().split(' ');
        let of_request = words.next().zip(words.next());
        method.zip(path).or(of_request)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Step;
    use super::*;

    fn at() -> Timestamp {
        "2026-11-28T12:30:13Z".parse().unwrap()
    }

    #[test]
    fn lines_with_either_spelling() {
        for line in [
            r#"{"time":"2026-11-28T12:30:13+00:00","request":"POST /acme/finalize/1/2 HTTP/1.1","status":"500","request_time":"0.100"}"#,
            r#"{"msec":"1795869013.123","request_method":"POST","request_uri":"/acme/finalize/1/2","status":500,"request_time":0.1}"#,
        ] {
            let read = read(line).unwrap().unwrap();
            assert_eq!(
                (read.at, read.step, read.succeeded),
                (at(), Step::Finalize, false)
            );
            assert_eq!(read.latency_ms, Some(100.0), "{line}");
            assert_eq!(time(line), Some(at()));
        }
        assert_eq!(read("{}"), Err(Unreadable));
    }

    #[test]
    fn a_quote_of_a_client_is_read_without_escape_json_too() {
        let line = r#"{"msec":1795869013,"request":"POST /acme/new-order HTTP/2.0","agent":"a\x22b\x5C","status":201}"#;
        assert_eq!(read(line).unwrap().unwrap().step, Step::NewOrder);
        assert_eq!(read(&line.replace("201", "\\x")), Err(Unreadable));
    }

    #[test]
    fn of_several_times_paths_and_methods_one_is_taken() {
        let both = r#""request":"POST /acme/new-order HTTP/1.1","request_method":"POST","method":"POST","request_uri":"/acme/new-order?x","uri":"/index.php","status":201}"#;
        for times in [
            r#""time_local":"28/Nov/2026:12:30:13 +0000","msec":"1795869013.123""#,
            r#""msec":"-","time_local":"28/Nov/2026:12:30:13 +0000""#,
            r#""time":"no time","time_iso8601":"2026-11-28T12:30:13+00:00","ts":1"#,
        ] {
            let line = format!("{{{times},{both}");
            let read = read(&line).unwrap().unwrap();
            assert_eq!((read.at, read.step), (at(), Step::NewOrder), "{line}");
            assert_eq!(time(&line), Some(at()), "{line}");
        }
        // Many formats log only the path in addition to the request.
        let line = r#"{"msec":1795869013,"request":"POST /acme/new-order HTTP/2.0","uri":"/x","status":201}"#;
        assert_eq!(read(line).unwrap().unwrap().step, Step::NewOrder);
    }
}
