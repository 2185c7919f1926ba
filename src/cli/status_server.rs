//! `offpeak status --server URL`: the status of the CAs, from a service's public answers.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::fetch::{client, octets_of};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::clock::{Clock as _, SystemClock};

/// The largest answer: a hundred CAs with sources and incidents have about 100 kB.
const MOST_OCTETS: u64 = 4 << 20;

/// The answer of a service.
#[derive(Debug)]
pub(super) struct Answer {
    /// The service's document.
    pub(super) document: Vec<u8>,
    /// The same as text.
    pub(super) lines: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    cas: Vec<Ca>,
    incidents: Vec<Incident>,
    sources: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ca {
    #[serde(rename = "ca")]
    name: String,
    environment: String,
    status: String,
    since: Option<String>,
    reason: String,
    data_through: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incident {
    id: i64,
    ca: String,
    name: String,
    kind: String,
    state: String,
    // A future closure is announced.
    from: Option<Timestamp>,
    updated_at: String,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    name: String,
    ca: Option<String>,
    state: String,
    data_through: Option<String>,
    // Older servers do not have these.
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    logs_failing: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
}

/// Requests the status of one CA or all from the public listener at this URL.
///
/// # Errors
/// It does not answer, there is no such CA, or the answer is not a status.
pub(super) async fn ask(server: &str, ca: Option<&CaName>) -> anyhow::Result<Answer> {
    let root = server.trim_end_matches('/');
    let of_ca = ca.map_or_else(String::new, |ca| format!("?ca={ca}"));
    let url = format!("{root}/v1/status{of_ca}");
    let answer = client()?
        .get(&url)
        .send()
        .await
        .with_context(|| format!("--server: {server} does not answer"))?;
    let status = answer.status();
    let document = octets_of(answer, MOST_OCTETS)
        .await
        .with_context(|| format!("--server: the answer of {server} cannot be read"))?;
    if !status.is_success() {
        let problem: Problem = serde_json::from_slice(&document).unwrap_or_default();
        bail!("--server: {server} answers {status}: {}", problem.detail);
    }
    let read: Document = serde_json::from_slice(&document)
        .with_context(|| format!("--server: {url} is no status of a CA"))?;
    let cas = read.cas.iter().map(Ca::line);
    let sources = read.sources.iter().map(Source::line);
    let now = SystemClock.now();
    let incidents = read.incidents.iter().map(|one| one.line(now));
    let lines = cas.chain(sources).chain(incidents).collect();
    Ok(Answer { document, lines })
}

impl Ca {
    fn line(&self) -> String {
        let since = self.since.as_ref();
        let since = since.map_or_else(String::new, |since| format!(" since {since}"));
        format!(
            "{} ({}): {}{since}; {}; {}",
            self.name,
            self.environment,
            self.status,
            self.reason,
            last_report(self.data_through.as_deref())
        )
    }
}

impl Source {
    fn line(&self) -> String {
        let of = self.ca.as_ref();
        let of = of.map_or_else(String::new, |ca| format!(" of {ca}"));
        let last_report = last_report(self.data_through.as_deref());
        let skipped = match self.skipped {
            0 => String::new(),
            skipped => format!("; {skipped} records could not be read"),
        };
        let failing = match self.logs_failing {
            0 => String::new(),
            failing => format!("; {failing} of its logs fail"),
        };
        let (name, state) = (&self.name, &self.state);
        format!("source {name}{of}: {state}; {last_report}{skipped}{failing}")
    }
}

impl Incident {
    fn line(&self, now: Timestamp) -> String {
        let note = self.note.as_ref();
        let note = note.map_or_else(String::new, |note| format!(": {note}"));
        let closes = self.state == "open" && ["maintenance", "outage"].contains(&&*self.kind);
        let is_ahead = closes && self.from.is_some_and(|from| from > now);
        let state = if is_ahead { "announced" } else { &self.state };
        format!(
            "incident {} of {}: {} ({}, {state}), updated {}{note}",
            self.id, self.ca, self.name, self.kind, self.updated_at
        )
    }
}

fn last_report(through: Option<&str>) -> String {
    through.map_or_else(
        || "no report for a week".to_owned(),
        |through| format!("last report {through}"),
    )
}
