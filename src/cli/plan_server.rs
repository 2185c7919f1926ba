//! `offpeak plan --server URL`: the same plan, made by a server on its own forecast.

use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fetch::{client, octets_of};
use super::global::admin_token;
use crate::domain::plan::Catalogue;
use crate::domain::time::Timestamp;
use crate::ingest::fleet::Member;

/// The largest answer: 100,000 certificates with their names take about 30 MB.
const MOST_OCTETS: u64 = 256 << 20;

/// The body of `POST /v1/plan`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    pub(super) account: &'a str,
    pub(super) allow: Option<String>,
    pub(super) ari: Option<bool>,
    pub(super) ca: Option<&'a str>,
    pub(super) count: Option<usize>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) in_flight: u32,
    pub(super) items: Option<&'a [Member]>,
    pub(super) limits: &'a Catalogue,
    pub(super) max_concurrent: Option<u32>,
    pub(super) max_rate: Option<f64>,
    pub(super) order_seconds: i64,
    pub(super) seed: Option<&'a str>,
    pub(super) tz: &'a str,
}

/// The answer of a server.
#[derive(Debug)]
pub(super) enum Answer {
    /// A plan.
    Planned {
        /// The server's document.
        document: Vec<u8>,
        /// A time for each certificate, in the order of the fleet.
        times: Vec<Timestamp>,
        /// The plan as text.
        text: String,
    },
    /// It is impossible.
    Refused {
        /// The limit that prevents it, the missing certificates, and possible changes.
        refusal: Value,
        /// The same as a sentence.
        detail: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    pace: f64,
    max_concurrent: u32,
    wait: Option<String>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    at: Timestamp,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
    refusal: Value,
}

/// Sends the request to the admin listener at this URL.
///
/// # Errors
/// It is unreachable, or its answer is neither a plan nor a refusal.
pub(super) async fn ask(server: &str, request: &Request<'_>) -> anyhow::Result<Answer> {
    let mut post = client()?
        .post(format!("{server}/v1/plan"))
        .header(CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(request)?);
    if let Some(token) = admin_token()? {
        post = post.bearer_auth(token);
    }
    let answer = post
        .send()
        .await
        .with_context(|| format!("cannot ask {server}"))?;
    let status = answer.status();
    let document = octets_of(answer, MOST_OCTETS)
        .await
        .with_context(|| format!("cannot read what {server} answers"))?;
    if status.is_success() {
        return planned(document).with_context(|| format!("{server} answers with no plan"));
    }
    let problem: Problem = serde_json::from_slice(&document).unwrap_or_default();
    if status == StatusCode::UNPROCESSABLE_ENTITY && !problem.refusal.is_null() {
        let Problem { detail, refusal } = problem;
        return Ok(Answer::Refused { refusal, detail });
    }
    bail!("{server} answers {status}: {}", problem.detail)
}

fn planned(document: Vec<u8>) -> anyhow::Result<Answer> {
    let read: Document = serde_json::from_slice(&document)?;
    let mut text = String::new();
    if let (Some(from), Some(until)) = (read.from, read.until) {
        text = format!("{} planned from {from} to {until}; ", read.items.len());
    }
    let now = match read.wait {
        Some(wait) => format!("now: none, {wait}"),
        None => format!(
            "now: {} a minute, {} at a time",
            read.pace, read.max_concurrent
        ),
    };
    Ok(Answer::Planned {
        times: read.items.into_iter().map(|item| item.at).collect(),
        text: text + &now,
        document,
    })
}
