//! A plan as JSON: the answer of `POST /v1/plan` and of `offpeak plan --json`.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::advice::Advice;
use super::catalogue::Catalogue;
use super::planner::Plan;
use super::refusal::{Change, Refusal};
use super::terms::Terms;
use crate::certificate::certid::CertId;
use crate::math::number::thousandths;
use crate::time::Timestamp;

/// At most this many unscheduled certificates are named; all are counted.
const MOST_NAMED: usize = 100;

/// The source of the demand data.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The CA; `None` for several CAs combined.
    pub ca: Option<String>,
    /// The version of the model.
    pub model_version: String,
    /// Until when the data is valid; `None` for a forecast, which is current.
    pub valid_until: Option<Timestamp>,
}

/// The certificate that a time is for.
#[derive(Clone, Debug, Default)]
pub struct Addressee<'a> {
    /// The owner's name for it.
    pub id: Option<&'a str>,
    /// Its CertID.
    pub cert_id: Option<&'a CertId>,
    /// The account that places the order.
    pub account: Option<&'a str>,
    /// A deadline of its own, or the end of its validity, that has already passed.
    pub missed: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    ca: Option<&'a str>,
    model_version: &'a str,
    generated_at: Timestamp,
    valid_until: Option<Timestamp>,
    limits: Limits<'a>,
    count: usize,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Orders per minute.
    pace: f64,
    max_concurrent: u32,
    admit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<String>,
    level: bool,
    slots: Vec<Slot>,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    as_of: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: &'a str,
}

#[derive(Serialize)]
struct Slot {
    start: Timestamp,
    count: usize,
    level: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cert_id: Option<&'a CertId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missed: Option<Timestamp>,
}

/// A refusal in JSON, next to its sentence.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusalDocument {
    limit: String,
    reason: String,
    misses: usize,
    /// The first of them, by their owner's names or their indexes.
    missing: Vec<String>,
    changes: Vec<Proposal>,
}

#[derive(Debug, Serialize)]
struct Proposal {
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<serde_json::Value>,
}

impl Plan {
    /// The document on one line, ending in a line feed. `addressee` gives the certificate for each
    /// index in the fleet.
    #[must_use]
    pub fn document<'a>(
        &self,
        terms: &Terms<'_>,
        origin: &Origin,
        advice: &Advice,
        addressee: impl Fn(usize) -> Addressee<'a>,
    ) -> Vec<u8> {
        let item = |(place, at): (usize, &Timestamp)| {
            let Addressee {
                id,
                cert_id,
                account,
                missed,
            } = addressee(place);
            Item {
                at: *at,
                id,
                cert_id,
                account,
                missed,
            }
        };
        let document = Document {
            ca: origin.ca.as_deref(),
            model_version: &origin.model_version,
            generated_at: terms.now,
            valid_until: origin.valid_until,
            limits: Limits::of(terms.limits),
            count: self.times.len(),
            from: self.times.iter().min().copied(),
            until: self.times.iter().max().copied(),
            pace: advice.per_minute,
            max_concurrent: advice.max_concurrent,
            admit: advice.wait.is_none(),
            wait: advice.wait.map(|wait| wait.to_string()),
            level: !self.as_early_as_limits_allow,
            slots: self
                .slots
                .iter()
                .map(|slot| Slot {
                    start: slot.start,
                    count: slot.count,
                    level: thousandths(slot.level),
                })
                .collect(),
            items: self.times.iter().enumerate().map(item).collect(),
        };
        // Numbers are finite and keys are text, so this cannot fail.
        let mut bytes = serde_json::to_vec(&document).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

impl<'a> Limits<'a> {
    fn of(catalogue: &'a Catalogue) -> Self {
        Self {
            name: &catalogue.name,
            as_of: &catalogue.as_of,
            source: &catalogue.source,
        }
    }
}

impl Refusal {
    /// The refusal in JSON; `label` gives the owner's name for each index in the fleet.
    #[must_use]
    pub fn as_document(&self, label: impl Fn(usize) -> String) -> RefusalDocument {
        let named = |place: &usize| match label(*place) {
            none if none.is_empty() => place.to_string(),
            some => some,
        };
        RefusalDocument {
            limit: self.limit.clone(),
            reason: self.reason.clone(),
            misses: self.missing.len(),
            missing: self.missing.iter().take(MOST_NAMED).map(named).collect(),
            changes: self.changes.iter().map(Proposal::of).collect(),
        }
    }
}

impl Proposal {
    fn of(change: &Change) -> Self {
        let (change, to) = match *change {
            Change::Accounts(count) => ("accounts", Some(count.into())),
            Change::AllHours => ("allow", None),
            Change::Deadline(at) => ("deadline", Some(at.to_string().into())),
            Change::MaxConcurrent(most) => ("maxConcurrent", Some(most.into())),
            Change::MaxRate(rate) => ("maxRate", Some(rate.into())),
            Change::OwnDeadlines(at) => ("items.deadline", Some(at.to_string().into())),
            Change::Replaces => ("ari", Some(true.into())),
        };
        Self { change, to }
    }
}

/// The bits of a seed. The same fleet with the same seed gives the same plan everywhere.
#[must_use]
pub fn seed<'a>(texts: impl IntoIterator<Item = &'a str>) -> u128 {
    let mut hasher = Sha256::new();
    // A new version of the plan must use another word here.
    hasher.update(b"plan 1\0");
    for text in texts {
        hasher.update(text);
        hasher.update(b"\0");
    }
    let mut octets = [0; 16];
    octets.copy_from_slice(&hasher.finalize()[..16]);
    u128::from_be_bytes(octets)
}
