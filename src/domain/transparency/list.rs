//! Lists of logs, in the format of <https://www.gstatic.com/ct/log_list/v3/log_list_schema.json>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::checkpoint::log_id;
use crate::time::Timestamp;

/// A log that can be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Log {
    /// Its description in the list, such as `Let's Encrypt 'Sycamore2026h2'`.
    pub description: String,
    /// Its operator.
    pub operator: String,
    /// Its public key: a `SubjectPublicKeyInfo` in DER.
    pub key: Vec<u8>,
    /// The URL for reading, without a trailing slash.
    pub url: String,
    /// The protocol for reading.
    pub protocol: Protocol,
}

/// The protocol for reading a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// RFC 6962: get-sth, get-entries.
    Rfc6962,
    /// The Static CT API, whose checkpoints contain this origin.
    Static {
        /// Its submission URL without scheme and trailing slash.
        origin: String,
    },
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It is not a list of logs.
    #[error("it is no list of logs: {0}")]
    Json(#[from] serde_json::Error),
    /// A key is not base64, or does not match the log's id.
    #[error("the log {0:?} has a key that its id is not made of")]
    Key(String),
    /// None of its logs matches.
    #[error("it has no usable log that is asked for")]
    Empty,
}

#[derive(Deserialize)]
struct List {
    operators: Vec<Operator>,
}

#[derive(Deserialize)]
struct Operator {
    name: String,
    #[serde(default)]
    logs: Vec<Entry>,
    #[serde(default)]
    tiled_logs: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    description: String,
    log_id: String,
    key: String,
    url: Option<String>,
    submission_url: Option<String>,
    monitoring_url: Option<String>,
    #[serde(default)]
    state: serde_json::Map<String, serde_json::Value>,
    temporal_interval: Option<Interval>,
    #[serde(default)]
    log_type: Option<String>,
}

#[derive(Deserialize)]
struct Interval {
    end_exclusive: Timestamp,
}

/// The logs of a list that accept certificates valid at `now`, are in use, and have one of the
/// texts `wanted` in their description, ignoring case. All of them if `wanted` is empty.
///
/// # Errors
/// [`ListError`].
pub fn logs(json: &[u8], wanted: &[String], now: Timestamp) -> Result<Vec<Log>, ListError> {
    let list: List = serde_json::from_slice(json)?;
    let mut found = Vec::new();
    for operator in list.operators {
        for entry in operator.logs.into_iter().chain(operator.tiled_logs) {
            let meant = wanted.is_empty()
                || wanted.iter().any(|part| {
                    let part = part.to_lowercase();
                    entry.description.to_lowercase().contains(&part)
                });
            if meant && entry.in_use(now) {
                found.push(entry.log(&operator.name)?);
            }
        }
    }
    if found.is_empty() {
        return Err(ListError::Empty);
    }
    Ok(found)
}

impl Entry {
    fn in_use(&self, now: Timestamp) -> bool {
        let gone = ["retired", "rejected", "pending"]
            .iter()
            .any(|state| self.state.contains_key(*state));
        let over = self
            .temporal_interval
            .as_ref()
            .is_some_and(|interval| interval.end_exclusive <= now);
        // Logs for testing, such as those of staging environments, are read only if they are named.
        !gone && !over && self.log_type.as_deref() != Some("monitoring_only")
    }

    fn log(self, operator: &str) -> Result<Log, ListError> {
        let wrong = || ListError::Key(self.description.clone());
        let key = STANDARD.decode(&self.key).map_err(|_| wrong())?;
        let id = STANDARD.decode(&self.log_id).map_err(|_| wrong())?;
        if log_id(&key)[..] != id {
            return Err(wrong());
        }
        let without_slash = |url: &str| url.trim_end_matches('/').to_owned();
        let (url, protocol) = match (&self.monitoring_url, &self.submission_url, &self.url) {
            (Some(monitoring), submission, _) => {
                let submission = submission.as_ref().unwrap_or(monitoring);
                let origin = submission
                    .split_once("://")
                    .map_or(&**submission, |(_, rest)| rest);
                (
                    without_slash(monitoring),
                    Protocol::Static {
                        origin: without_slash(origin),
                    },
                )
            }
            (None, _, Some(url)) => (without_slash(url), Protocol::Rfc6962),
            (None, _, None) => return Err(wrong()),
        };
        Ok(Log {
            description: self.description,
            operator: operator.to_owned(),
            key,
            url,
            protocol,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(state: &str) -> String {
        let (a, b) = (STANDARD.encode(b"key a"), STANDARD.encode(b"key b"));
        let (id_a, id_b) = (
            STANDARD.encode(log_id(b"key a")),
            STANDARD.encode(log_id(b"key b")),
        );
        format!(
            r#"{{"version":"1","operators":[{{"name":"One","email":["x@y"],"logs":[
            {{"description":"One 'Old2026'","log_id":"{id_a}","key":"{a}","url":"https://one.example/old/",
              "mmd":86400,"state":{{"{state}":{{"timestamp":"2022-11-01T18:54:00Z"}}}}}}],
            "tiled_logs":[{{"description":"One 'New2026h2'","log_id":"{id_b}","key":"{b}",
              "submission_url":"https://log.one.example/2026h2/","monitoring_url":"https://mon.one.example/2026h2/",
              "mmd":60,"temporal_interval":{{"start_inclusive":"2026-07-01T00:00:00Z",
              "end_exclusive":"2027-01-01T00:00:00Z"}}}}]}}]}}"#
        )
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn logs_of_both_kinds_are_distinguished() {
        let now = at("2026-11-28T00:00:00Z");
        let read = logs(list("usable").as_bytes(), &[], now).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].protocol, Protocol::Rfc6962);
        assert_eq!(read[0].url, "https://one.example/old");
        assert_eq!(read[1].url, "https://mon.one.example/2026h2");
        assert_eq!(
            read[1].protocol,
            Protocol::Static {
                origin: "log.one.example/2026h2".to_owned()
            }
        );
        let named = logs(list("usable").as_bytes(), &["new2026".to_owned()], now).unwrap();
        assert_eq!(named, read[1..]);
    }

    #[test]
    fn logs_that_are_retired_or_over_are_left_out() {
        let of = |state: &str, now: &str| logs(list(state).as_bytes(), &[], at(now));
        assert_eq!(of("retired", "2026-11-28T00:00:00Z").unwrap().len(), 1);
        assert!(matches!(
            of("retired", "2027-01-01T00:00:00Z"),
            Err(ListError::Empty)
        ));
        let swapped =
            list("usable").replacen(&STANDARD.encode(b"key a"), &STANDARD.encode(b"x"), 1);
        assert!(matches!(
            logs(swapped.as_bytes(), &[], at("2026-11-28T00:00:00Z")),
            Err(ListError::Key(_))
        ));
        assert!(matches!(
            logs(b"[]", &[], at("2026-11-28T00:00:00Z")),
            Err(ListError::Json(_))
        ));
    }
}
