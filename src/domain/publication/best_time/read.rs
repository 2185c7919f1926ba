//! Reads a published ranking.

use serde::Deserialize;

use crate::time::{DAY, MINUTE, Span, Timestamp};

/// The fields of a `ranking.json` of schema version 1 that a draw needs.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Document")]
pub struct Ranking {
    /// The CA it describes; `None` for several CAs combined.
    pub ca: Option<String>,
    /// The version of the model behind it.
    pub model_version: String,
    /// Until when it is valid.
    pub valid_until: Timestamp,
    /// The slots of the day in chronological order.
    pub slots: Vec<Slot>,
    /// Spans in which clients should not come.
    pub avoid: Vec<Span>,
}

/// A slot of the day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// The probability with which it should be drawn, 0 to 1.
    pub weight: f64,
    /// Whether too little is known about it.
    #[serde(default)]
    pub insufficient_data: bool,
}

/// The text is not a ranking; with the reason.
#[derive(Debug, thiserror::Error)]
#[error("this is no ranking.json of schema version 1: {0}")]
pub struct Unreadable(#[from] serde_json::Error);

/// The JSON form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: String,
    model_version: String,
    ca: Option<String>,
    valid_until: Timestamp,
    slot_minutes: i64,
    slots: Vec<Slot>,
    avoid: Vec<Avoid>,
}

#[derive(Deserialize)]
struct Avoid {
    from: Timestamp,
    to: Timestamp,
}

impl Ranking {
    /// Reads the bytes of a `ranking.json`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is not a ranking, or has another major version.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The length of a slot, in seconds.
    #[must_use]
    pub fn slot_seconds(&self) -> i64 {
        // There are 1 to 288 slots.
        DAY / i64::try_from(self.slots.len()).unwrap_or(DAY)
    }

    /// The slot that contains an instant.
    #[must_use]
    pub fn slot_at(&self, at: Timestamp) -> Slot {
        let number = usize::try_from(at.second_of_day() / self.slot_seconds()).unwrap_or(0);
        self.slots[number]
    }
}

impl TryFrom<Document> for Ranking {
    type Error = String;

    fn try_from(read: Document) -> Result<Self, String> {
        if !read.schema_version.starts_with("1.") {
            return Err(format!("schemaVersion is {:?}", read.schema_version));
        }
        let slot_seconds = read.slot_minutes.saturating_mul(MINUTE);
        let whole = (5 * MINUTE..=DAY).contains(&slot_seconds) && DAY % slot_seconds == 0;
        if !whole || usize::try_from(DAY / slot_seconds) != Ok(read.slots.len()) {
            let count = read.slots.len();
            let minutes = read.slot_minutes;
            return Err(format!(
                "{count} slots of slotMinutes {minutes} do not make a day"
            ));
        }
        let fits = |slot: &Slot| (0.0..=1.0).contains(&slot.weight);
        if let Some(number) = read.slots.iter().position(|slot| !fits(slot)) {
            return Err(format!("slots[{number}].weight is not from 0 to 1"));
        }
        Ok(Self {
            ca: read.ca,
            model_version: read.model_version,
            valid_until: read.valid_until,
            slots: read.slots,
            avoid: read
                .avoid
                .into_iter()
                .map(|Avoid { from, to }| Span { from, to })
                .collect(),
        })
    }
}
