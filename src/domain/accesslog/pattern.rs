//! Any other log format, by a configured pattern: `{time} {method} {path} {status} {latency} {*}`.

use std::borrow::Cow;

use super::certificate::{Certificate, Shown};
use super::line::{Request, Unreadable, is_success, step_of};
use super::time as times;
use crate::time::Timestamp;

/// Fields in braces, with literal texts between them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    /// A literal text, and the field after it.
    parts: Vec<(String, Field)>,
    /// The literal text after the last field.
    end: String,
}

/// Why a pattern is invalid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// Two fields without text between them, so that the end of the first is unknown.
    #[error("{{{0}}} follows another field at once: put a text between them")]
    Adjacent(String),
    /// A required field is missing.
    #[error("it has no {{{0}}}")]
    Missing(&'static str),
    /// A brace is not closed.
    #[error("a brace of it is not closed")]
    Open,
    /// An unknown field.
    #[error(
        "{{{0}}} is no field: time, method, path, status, latency_s, latency_ms, error, certificate, \
         serial, not_before, not_after, user_agent, *"
    )]
    Unknown(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Any,
    Certificate,
    Error,
    LatencyMs,
    LatencyS,
    Method,
    NotAfter,
    NotBefore,
    Path,
    Serial,
    Status,
    Time,
    UserAgent,
}

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut parts: Vec<(String, Field)> = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(PatternError::Open)?;
            let field = match name {
                "*" => Field::Any,
                "certificate" => Field::Certificate,
                "error" => Field::Error,
                "latency_ms" => Field::LatencyMs,
                "latency_s" => Field::LatencyS,
                "method" => Field::Method,
                "not_after" => Field::NotAfter,
                "not_before" => Field::NotBefore,
                "path" => Field::Path,
                "serial" => Field::Serial,
                "status" => Field::Status,
                "time" => Field::Time,
                "user_agent" => Field::UserAgent,
                other => return Err(PatternError::Unknown(other.to_owned())),
            };
            if before.is_empty() && !parts.is_empty() {
                return Err(PatternError::Adjacent(name.to_owned()));
            }
            parts.push((before.to_owned(), field));
            rest = after;
        }
        let has = |wanted| has(&parts, wanted);
        for (field, name) in [
            (Field::Time, "time"),
            (Field::Method, "method"),
            (Field::Path, "path"),
            (Field::Status, "status"),
        ] {
            if !has(field) {
                return Err(PatternError::Missing(name));
            }
        }
        let end = rest.to_owned();
        Ok(Self { parts, end })
    }

    pub(super) fn read<'a>(&self, line: &'a str) -> Result<Option<Request<'a>>, Unreadable> {
        let value = |field| self.find(line, field).ok_or(Unreadable);
        let Some(step) = step_of(value(Field::Method)?, value(Field::Path)?) else {
            return Ok(None);
        };
        let status: u16 = value(Field::Status)?.parse().map_err(|_| Unreadable)?;
        let number = |field| self.find(line, field)?.parse::<f64>().ok();
        let seconds = number(Field::LatencyS).map(|seconds| seconds * 1_000.0);
        let error = self.find(line, Field::Error);
        Ok(Some(Request {
            at: self.time(line).ok_or(Unreadable)?,
            step,
            succeeded: is_success(status),
            error_type: error
                .filter(|error| error.starts_with("urn:") && error.len() <= 200)
                .map(Cow::Borrowed),
            latency_ms: seconds.or_else(|| number(Field::LatencyMs)),
            agent: self.find(line, Field::UserAgent).map(Cow::Borrowed),
        }))
    }

    /// Whether it has a field for a certificate, or for a serial number and dates.
    pub(super) fn shows_certificates(&self) -> bool {
        let of_dates = [Field::Serial, Field::NotBefore, Field::NotAfter];
        has(&self.parts, Field::Certificate)
            || of_dates.iter().all(|field| has(&self.parts, *field))
    }

    pub(super) fn certificate(&self, line: &str) -> Option<Shown> {
        let encoded = self.find(line, Field::Certificate);
        let certificate = encoded.and_then(Certificate::of_text).or_else(|| {
            let text = |field| self.find(line, field).map(str::to_owned);
            Some(Certificate::Dates {
                serial: text(Field::Serial)?,
                not_before: text(Field::NotBefore)?,
                not_after: text(Field::NotAfter)?,
            })
        });
        Some(Shown {
            certificate: certificate?,
            issued_at: self.time(line),
        })
    }

    pub(super) fn time(&self, line: &str) -> Option<Timestamp> {
        times::any(self.find(line, Field::Time)?)
    }

    /// The value of a field, if the line matches the pattern up to it. A field ends where the
    /// literal text after it begins.
    fn find<'a>(&self, line: &'a str, wanted: Field) -> Option<&'a str> {
        let mut rest = line;
        for (number, (before, field)) in self.parts.iter().enumerate() {
            rest = rest.strip_prefix(before.as_str())?;
            let behind = self
                .parts
                .get(number + 1)
                .map_or(self.end.as_str(), |(text, _)| text.as_str());
            let end = if behind.is_empty() {
                rest.len()
            } else {
                rest.find(behind)?
            };
            let (value, after) = rest.split_at(end);
            if *field == wanted {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

fn has(parts: &[(String, Field)], wanted: Field) -> bool {
    parts.iter().any(|(_, field)| *field == wanted)
}

#[cfg(test)]
mod tests {
    use super::super::line::Step;
    use super::*;

    #[test]
    fn a_line_is_read_by_its_pattern() {
        let pattern =
            Pattern::parse("[{time}] {method} {path} -> {status} in {latency_ms}ms {error} ({*})");
        let pattern = pattern.unwrap();
        let line = "[2026-11-28T12:30:13Z] POST /acme/new-order -> 403 in 12.5ms urn:ietf:params:acme:error:caa (x)";
        let read = pattern.read(line).unwrap().unwrap();
        assert_eq!(read.at, "2026-11-28T12:30:13Z".parse().unwrap());
        assert_eq!((read.step, read.succeeded), (Step::NewOrder, false));
        assert_eq!(read.latency_ms, Some(12.5));
        assert_eq!(
            read.error_type.as_deref(),
            Some("urn:ietf:params:acme:error:caa")
        );
        assert_eq!(pattern.read("new-order"), Err(Unreadable));
        assert_eq!(pattern.read(&line.replace("403", "x")), Err(Unreadable));
        assert_eq!(pattern.read(&line.replace("POST", "GET")), Ok(None));
    }

    #[test]
    fn a_certificate_may_be_a_field_or_three() {
        let head = "{time} {method} {path} {status}";
        let line = "2026-11-28T12:30:13Z POST /acme/finalize/1 200";
        let dates = Pattern::parse(&format!("{head} {{serial}} {{not_before}} {{not_after}}"));
        let dates = dates.unwrap();
        let shown = dates.certificate(&format!("{line} 03aa b c")).unwrap();
        assert_eq!(shown.issued_at, "2026-11-28T12:30:13Z".parse().ok());
        assert!(matches!(shown.certificate, Certificate::Dates { serial, .. } if serial == "03aa"));
        let encoded = Pattern::parse(&format!("{head} {{certificate}}")).unwrap();
        assert_eq!(encoded.certificate(&format!("{line} -")), None);
        let pem = r"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
        let shown = encoded.certificate(&format!("{line} {pem}")).unwrap();
        assert!(matches!(shown.certificate, Certificate::Pem(text) if text.contains("\nMIIB\n")));
        assert!(dates.shows_certificates() && encoded.shows_certificates());
        assert!(!Pattern::parse(head).unwrap().shows_certificates());
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said() {
        for (text, want) in [
            ("{time} {method} {path}", PatternError::Missing("status")),
            (
                "{time}{method}",
                PatternError::Adjacent("method".to_owned()),
            ),
            ("{time", PatternError::Open),
            ("{when}", PatternError::Unknown("when".to_owned())),
        ] {
            assert_eq!(Pattern::parse(text), Err(want), "{text}");
        }
    }
}
