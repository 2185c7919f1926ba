//! `kind = "probe"`: asking a CA from outside, as its clients do.

use super::super::error::Problems;
use super::super::gateway::upstream_url;
use super::super::section::Section;
use super::super::value;
use crate::domain::time::{HOUR, MINUTE};

/// The shortest time between two rounds: two requests each are 24 a minute at the most.
const LEAST_EVERY_SECONDS: i64 = 5;

/// How often a CA is asked where nothing else is said: twice in a minute, as an outage is told by the
/// minute.
const USUAL_EVERY_SECONDS: i64 = MINUTE / 2;

/// The most vantages that a quorum may ask for.
const MOST_QUORUM: i64 = 100;

/// A CA that is asked, and what is made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeConfig {
    /// The URL of its directory.
    pub url: String,
    /// From where it is asked, in observations.
    pub vantage: Option<String>,
    /// Seconds between two rounds of requests.
    pub every_seconds: i64,
    /// Whom its operator may write to: part of each request's User-Agent.
    pub contact: String,
    /// How many vantages have to see an outage, of all that tell observations, for an incident to be
    /// opened; `None`: none is.
    pub outage_quorum: Option<usize>,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<ProbeConfig> {
    let url = section.require("url", problems, |v| value::text(v).and_then(upstream_url));
    let vantage = section.read("vantage", problems, |v| {
        super::super::token::name(value::text(v)?)
    });
    let every = section.read("every", problems, |v| {
        value::duration(v, LEAST_EVERY_SECONDS..=HOUR)
    });
    let contact = section.require("contact", problems, super::ct::contact);
    let outage_quorum = section.read("outage_quorum", problems, |v| {
        let quorum = value::integer(v)?;
        if (1..=MOST_QUORUM).contains(&quorum) {
            usize::try_from(quorum).map_err(|error| error.to_string())
        } else {
            Err(format!("{quorum} is not between 1 and {MOST_QUORUM}"))
        }
    });
    Some(ProbeConfig {
        url: url?,
        vantage,
        every_seconds: every.unwrap_or(USUAL_EVERY_SECONDS),
        contact: contact?,
        outage_quorum,
    })
}
