//! A published ranking as shown to people. The page and the terminal use nothing else, so what they
//! show is what `ranking.json` says.

use serde::Deserialize;

use crate::policy::note::PublishedNote;
use crate::time::{DAY, MINUTE, Timestamp};

/// Days in a week.
const DAYS: usize = 7;

/// The content of a `ranking.json` of schema version 1. Coefficients are relative to the mean load;
/// unknown values are `None`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    /// The version of the format, such as `1.0`.
    pub schema_version: String,
    /// The version of the model behind it.
    pub model_version: String,
    /// The CA it describes; `None` for several CAs combined.
    pub ca: Option<String>,
    /// For example `production`.
    pub environment: String,
    /// When it was made.
    pub generated_at: Timestamp,
    /// The last instant for which a source was alive.
    pub data_through: Option<Timestamp>,
    /// When the next one is due.
    pub next_update: Timestamp,
    /// Until when it is valid.
    pub valid_until: Timestamp,
    /// Minutes in a slot.
    pub slot_minutes: i64,
    /// The busiest slot of the day.
    pub peak: Option<Peak>,
    /// The starts of the three quietest open slots, quietest first, `HH:MM` in UTC.
    pub quietest: Vec<String>,
    /// The slots of the day, in order of time.
    pub slots: Vec<Slot>,
    /// The slots of the week from Monday 00:00 UTC on, in order of time.
    pub week: Vec<WeekSlot>,
    /// The load of each minute of the hour relative to their mean, from :00.
    #[serde(default)]
    pub minutes: Option<Vec<f64>>,
    /// Spans in which clients should not come.
    pub avoid: Vec<Avoid>,
    /// Advice for readers, in words.
    pub advice: String,
    /// The operator's notes; since version 1.1.
    #[serde(default)]
    pub notes: Vec<PublishedNote>,
}

/// The busiest slot of the day.
#[derive(Clone, Debug, Deserialize)]
pub struct Peak {
    /// `HH:MM` in UTC.
    pub start: String,
    /// Its load relative to the mean.
    pub coefficient: f64,
}

/// A slot of the day.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// `HH:MM` in UTC.
    pub start: String,
    /// `HH:MM` in UTC; the last slot of the day ends at 00:00.
    pub end: String,
    /// Load relative to the mean.
    pub coefficient: Option<f64>,
    /// The probability with which it should be drawn, 0 to 1.
    pub weight: f64,
    /// Its rank; 1 is the quietest.
    pub rank: Option<u32>,
    /// The coefficient in words.
    pub index: Option<String>,
    /// The share of attempts that fail, 0 to 1.
    pub failure_rate: Option<f64>,
    /// The share of minutes in which a source was alive, 0 to 1.
    pub coverage: f64,
    /// The number of days on which a source was alive.
    pub samples: u32,
    /// The lower end of the coefficient's 95 % interval.
    pub low: Option<f64>,
    /// The upper end of the coefficient's 95 % interval.
    pub high: Option<f64>,
}

/// A slot of the week.
#[derive(Clone, Debug, Deserialize)]
pub struct WeekSlot {
    /// Load relative to the mean.
    pub coefficient: Option<f64>,
}

/// A span in which clients should not come.
#[derive(Clone, Debug, Deserialize)]
pub struct Avoid {
    /// Its first second.
    pub from: Timestamp,
    /// The first second after it.
    pub to: Timestamp,
    /// The reason.
    pub reason: String,
}

/// The text is not a ranking; with the reason.
#[derive(Debug, thiserror::Error)]
#[error("this is no ranking.json of schema version 1: {0}")]
pub struct Unreadable(String);

impl Published {
    /// Reads the bytes of a `ranking.json`.
    ///
    /// # Errors
    /// [`Unreadable`] if it is not a ranking, has another major version, or its slots do not make
    /// up a day and a week.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let read: Self =
            serde_json::from_slice(bytes).map_err(|error| Unreadable(error.to_string()))?;
        read.check().map_err(Unreadable)?;
        Ok(read)
    }

    /// Slots in a day.
    #[must_use]
    pub const fn slots_per_day(&self) -> usize {
        self.slots.len()
    }

    /// The week by the hour, 7 × 24 values from Monday 00:00 UTC: the mean of each hour's known
    /// slots, or `None` if none is known.
    #[must_use]
    pub fn week_by_hour(&self) -> Vec<Option<f64>> {
        let per_hour = (self.slots_per_day() / 24).max(1);
        self.week
            .chunks(per_hour)
            .map(|hour| {
                let known: Vec<f64> = hour.iter().filter_map(|slot| slot.coefficient).collect();
                let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
                (count > 0).then(|| known.iter().sum::<f64>() / f64::from(count))
            })
            .collect()
    }

    /// Whether any slot of the day has enough observations.
    #[must_use]
    pub fn knows_anything(&self) -> bool {
        self.slots.iter().any(|slot| slot.coefficient.is_some())
    }

    fn check(&self) -> Result<(), String> {
        if !self.schema_version.starts_with("1.") {
            return Err(format!("schemaVersion is {:?}", self.schema_version));
        }
        let minutes = self.slot_minutes;
        if ![5, 15, 30, 60].contains(&minutes) {
            return Err(format!("slotMinutes is {minutes}, not 5, 15, 30 or 60"));
        }
        let slots = usize::try_from(DAY / (minutes * MINUTE)).unwrap_or(0);
        for (name, count, wanted) in [
            ("slots", self.slots.len(), slots),
            ("week", self.week.len(), DAYS * slots),
        ] {
            if count != wanted {
                return Err(format!(
                    "{name} has {count} entries; with slotMinutes {minutes} it has {wanted}"
                ));
            }
        }
        Ok(())
    }
}
