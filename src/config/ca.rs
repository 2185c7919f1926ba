//! `[[ca]]`: one certificate authority.

use std::collections::HashMap;

use toml::de::DeValue;

use super::error::Problems;
use super::section::Section;
use super::{band, capacity, experiment, planned, value};
use crate::domain::certificate::certid::KeyIdentifier;
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::time::{DAY, MINUTE};

/// CAs backdate by up to an hour or round to the day; a month is more than any of them.
const MOST_BACKDATE_SECONDS: i64 = 31 * DAY;

/// The names and issuers of the CAs read so far, and where each was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    names: HashMap<CaName, String>,
    issuers: HashMap<KeyIdentifier, String>,
}

/// One CA. If a key is missing or wrong, a problem is added and its default is used.
pub(super) fn read(
    section: &mut Section<'_>,
    seen: &mut Seen,
    problems: &mut Problems<'_>,
) -> CaPolicy {
    let path = section.path_of("");
    let name = section.require("name", problems, |v| {
        let name: CaName = value::text(v)?
            .parse()
            .map_err(|error: crate::domain::policy::ca::CaNameError| error.to_string())?;
        match seen.names.insert(name.clone(), path.clone()) {
            None => Ok(name),
            Some(other) => Err(format!("{name} is the name of {other} too")),
        }
    });
    let mut ca = CaPolicy::named(name.unwrap_or_default());
    if let Some(environment) = section.read("environment", problems, environment) {
        ca.environment = environment;
    }
    ca.issuers = section.list("issuers", problems, |v, item| {
        let issuer: KeyIdentifier = value::text(v)?.parse().map_err(
            |error: crate::domain::certificate::certid::CertIdError| {
                format!("{error}: `offpeak ca CERT.pem` prints it, of the CA's certificate")
            },
        )?;
        match seen.issuers.insert(issuer.clone(), item.to_owned()) {
            None => Ok(issuer),
            Some(other) => Err(format!("{other} is this issuer already")),
        }
    });
    if let Some(seconds) = section.read("backdate", problems, |v| {
        value::duration(v, 0..=MOST_BACKDATE_SECONDS)
    }) {
        ca.backdate_seconds = seconds;
    }
    if let Some(share) = section.read("steerable_share", problems, value::share) {
        ca.steerable_share = share;
    }
    ca.learn_until = section.read("learn_until", problems, value::instant);
    ca.objective = section.read("objective", problems, value::share);
    read_steering(section, &mut ca, problems);
    experiment::read(section, &mut ca, problems);
    ca
}

/// The keys that determine windows, for a CA of the configuration or of a simulation.
pub fn read_steering(section: &mut Section<'_>, ca: &mut CaPolicy, problems: &mut Problems<'_>) {
    if let Some(minutes) = section.read("slot_minutes", problems, value::slot_minutes) {
        ca.slot_seconds = minutes * MINUTE;
    }
    if let Some(share) = section.read("follow_prior", problems, value::share) {
        ca.follow_prior = share;
    }
    if let Some(share) = section.read("max_extra", problems, value::share) {
        ca.max_extra = share;
    }
    if let Some(seconds) = section.read("retry_after", problems, |v| {
        value::duration(v, MINUTE..=DAY)
    }) {
        ca.retry_after_seconds = seconds;
    }
    ca.bands = band::read_all(section, problems);
    for mut rule in section.sections("capacity", problems) {
        ca.capacity.extend(capacity::read(&mut rule, problems));
        rule.finish(problems);
    }
    for mut event in section.sections("planned", problems) {
        ca.planned.extend(planned::read(&mut event, problems));
        event.finish(problems);
    }
}

/// The name of an environment, which is used unchanged in documents and metrics.
fn environment(value: &DeValue<'_>) -> Result<String, String> {
    let text = value::text(value)?;
    let fits = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is no environment: 1 to 63 letters, digits, '-', '_' and '.', such as \"production\""
        ))
    }
}
