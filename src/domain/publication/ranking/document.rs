//! The JSON form of the ranking document.

use serde::Serialize;

use crate::policy::note::PublishedNote;
use crate::time::Timestamp;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    pub(super) schema_version: &'static str,
    pub(super) model_version: &'a str,
    pub(super) ca: Option<&'a str>,
    pub(super) environment: &'a str,
    pub(super) generated_at: Timestamp,
    pub(super) data_from: Option<Timestamp>,
    pub(super) data_through: Option<Timestamp>,
    pub(super) next_update: Timestamp,
    pub(super) valid_until: Timestamp,
    pub(super) time_zone: &'static str,
    pub(super) slot_minutes: i64,
    pub(super) unit: &'static str,
    pub(super) peak: Option<Peak>,
    pub(super) quietest: Vec<String>,
    pub(super) slots: Vec<Slot>,
    pub(super) week: Vec<WeekEntry>,
    pub(super) minutes: Option<Vec<f64>>,
    pub(super) overlays: Vec<Overlay>,
    pub(super) avoid: &'a [Avoid],
    pub(super) notes: &'a [PublishedNote],
    pub(super) basis: Option<&'static str>,
    pub(super) sync_index: Option<f64>,
    pub(super) peak_history: Vec<PeakMove>,
    pub(super) advice: &'static str,
}

#[derive(Serialize)]
pub(super) struct Peak {
    pub(super) start: String,
    pub(super) coefficient: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dimension {
    pub(super) name: String,
    pub(super) failure_rate: Option<f64>,
    #[serde(rename = "latencyP95Ms")]
    pub(super) latency_p95_ms: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct PeakMove {
    pub(super) at: Timestamp,
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slot {
    pub(super) start: String,
    pub(super) end: String,
    pub(super) coefficient: Option<f64>,
    pub(super) weight: f64,
    pub(super) rank: Option<usize>,
    pub(super) index: Option<&'static str>,
    pub(super) failure_rate: Option<f64>,
    pub(super) coverage: f64,
    pub(super) samples: u32,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) retry_share: Option<f64>,
    #[serde(rename = "latencyP95Ms")]
    pub(super) latency_p95_ms: Option<f64>,
    pub(super) slo_met: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failing: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dimensions: Vec<Dimension>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) insufficient_data: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WeekEntry {
    pub(super) day: &'static str,
    pub(super) start: String,
    pub(super) coefficient: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) insufficient_data: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct Overlay {
    pub(super) when: &'static str,
    pub(super) factor: f64,
}

#[derive(Serialize)]
pub(super) struct Avoid {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) reason: &'static str,
}
