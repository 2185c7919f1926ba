//! `[[webhook]]`: receivers of messages about events.

use std::path::PathBuf;

use toml::de::DeValue;

use super::error::Problems;
use super::named::{self, web_url};
use super::section::Section;
use super::value;
use crate::domain::policy::ca::{CaName, CaPolicy};

/// The default share of failures that is reported: one in five is unusual for a CA, but not yet an
/// outage.
const USUAL_FAILURE_RATE: f64 = 0.2;

/// A receiver of messages, and their topics.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConfig {
    /// The URL to which messages are posted.
    pub url: String,
    /// The topics of the messages.
    pub on: Vec<Topic>,
    /// The file with the secret that signs messages.
    pub secret_file: PathBuf,
    /// The share of failed attempts above which failures are reported.
    pub failure_rate: f64,
    /// Only messages about this CA; `None`: about all.
    pub ca: Option<CaName>,
}

/// The topic of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Topic {
    /// Too many attempts fail.
    FailureRate,
    /// An incident was opened, changed or closed.
    Incident,
    /// A CA is down, or works again.
    Outage,
}

/// All receivers.
pub(super) fn all(
    root: &mut Section<'_>,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Vec<WebhookConfig> {
    let mut found: Vec<WebhookConfig> = Vec::new();
    for mut section in root.sections("webhook", problems) {
        let url = section.require("url", problems, web_url);
        let on = section.list("on", problems, |v, _| topic(v));
        if on.is_empty() {
            let reason = r#"names one at least of "failure-rate", "incident" and "outage""#;
            section.fault("on", problems, reason);
        }
        let secret_file = section.require("secret_file", problems, value::path);
        let failure_rate = section.read("failure_rate", problems, |v| {
            let share = value::share(v)?;
            if share > 0.0 {
                Ok(share)
            } else {
                Err("is not above 0".to_owned())
            }
        });
        let ca = section.read("ca", problems, |v| named::ca(v, cas));
        section.finish(problems);
        let hook = url
            .zip(secret_file)
            .map(|(url, secret_file)| WebhookConfig {
                url,
                on,
                secret_file,
                failure_rate: failure_rate.unwrap_or(USUAL_FAILURE_RATE),
                ca,
            });
        found.extend(hook);
    }
    found
}

fn topic(value: &DeValue<'_>) -> Result<Topic, String> {
    match value::text(value)? {
        "failure-rate" => Ok(Topic::FailureRate),
        "incident" => Ok(Topic::Incident),
        "outage" => Ok(Topic::Outage),
        other => Err(format!(
            r#"{other:?} is none of "failure-rate", "incident" and "outage""#
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn a_webhook_has_a_secret_and_topics() {
        let text = concat!(
            "[[webhook]]\nurl = \"https://ops.example.org/hook\"\nsecret_file = \"/s\"\n",
            "on = [\"failure-rate\", \"outage\"]\nca = \"default\"\n"
        );
        let read = Config::parse(text).unwrap().webhooks;
        assert_eq!(read[0].on, [Topic::FailureRate, Topic::Outage]);
        assert!((read[0].failure_rate - USUAL_FAILURE_RATE).abs() < 1e-9);
        assert_eq!(read[0].ca.as_ref().map(CaName::as_str), Some("default"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = concat!(
            "[[webhook]]\nurl = \"hook\"\nsecret_file = \"/s\"\non = [\"fire\"]\n",
            "failure_rate = 0\nca = \"other\"\n"
        );
        let found = Config::parse(text).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        for want in [
            "2: webhook[0].url: \"hook\" is no absolute",
            "4: webhook[0].on[0]: \"fire\" is none of",
            "4: webhook[0].on: names one at least",
            "5: webhook[0].failure_rate: is not above 0",
            "6: webhook[0].ca: no [[ca]]",
        ] {
            assert!(
                found.iter().any(|line| line.contains(want)),
                "{want}: {found:#?}"
            );
        }
    }
}
