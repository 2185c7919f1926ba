//! Another server's ranking, used as a prior for a CA that has no load data of its own yet. It is
//! labelled as such.

use serde::Deserialize;

use super::best_time::Ranking;
use crate::demand::profile::{Evidence, Lent, Profile};
use crate::time::Timestamp;

/// How far another CA's coefficient may be from ours, as a factor in each direction. An assumption,
/// so wide that an hour called moderate may be very low or very high.
const SPREAD: f64 = 2.0;

/// The coefficients of another server's `ranking.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prior {
    /// The CA they describe; `None` for several CAs combined.
    pub ca: Option<String>,
    /// The version of the model behind them.
    pub model_version: String,
    /// Until when their publisher says they are valid.
    pub valid_until: Timestamp,
    /// One for each five minutes of the day, 288 in all, with mean 1.
    grains: Vec<f64>,
}

/// Five-minute parts of a day, the shortest slots: 86,400 / 300.
const GRAINS: usize = 288;

/// Why a ranking cannot be used as a prior.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// It is not a ranking.
    #[error("{0}")]
    Unreadable(String),
    /// It has no data for half of the day or more.
    #[error("it knows the demand of fewer than half of its slots")]
    Unknown,
}

#[derive(Deserialize)]
struct Document {
    slots: Vec<Slot>,
}

#[derive(Deserialize)]
struct Slot {
    coefficient: Option<f64>,
}

impl Prior {
    /// Reads the bytes of a `ranking.json`.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        let unreadable = |error: &dyn std::fmt::Display| Unusable::Unreadable(error.to_string());
        let ranking = Ranking::parse(bytes).map_err(|error| unreadable(&error))?;
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
        let known = |slot: &Slot| slot.coefficient.filter(|one| (0.0..=1e3).contains(one));
        let slots: Vec<Option<f64>> = document.slots.iter().map(known).collect();
        if slots.iter().flatten().count() * 2 < slots.len() {
            return Err(Unusable::Unknown);
        }
        let grains: Vec<f64> = (0..GRAINS)
            .map(|grain| slots[grain * slots.len() / GRAINS].unwrap_or(1.0))
            .collect();
        let mean = mean(&grains);
        if mean <= 0.0 {
            return Err(Unusable::Unknown);
        }
        Ok(Self {
            ca: ranking.ca,
            model_version: ranking.model_version,
            valid_until: ranking.valid_until,
            grains: grains.iter().map(|one| one / mean).collect(),
        })
    }

    /// Fills a profile that has no data with these coefficients, with wide intervals that show how
    /// uncertain they are. A profile with any data is returned unchanged.
    #[must_use]
    pub fn under(&self, profile: &Profile) -> Option<Profile> {
        if profile.knows_anything() {
            return None;
        }
        let mut filled = profile.clone();
        let slots = filled.slots_per_day();
        for (number, slot) in filled.day.iter_mut().enumerate() {
            slot.coefficient = self.coefficient(number, slots);
            (slot.low, slot.high) = interval(slot.coefficient);
            slot.evidence = Evidence::Sufficient;
        }
        for (number, slot) in filled.week.iter_mut().enumerate() {
            slot.coefficient = self.coefficient(number % slots, slots);
            (slot.low, slot.high) = interval(slot.coefficient);
        }
        filled.version = format!("prior-{}", self.model_version);
        filled.prior = Some(Lent {
            by: self.ca.as_deref().unwrap_or("several CAs").to_owned(),
            until: self.valid_until,
        });
        Some(filled)
    }

    fn coefficient(&self, slot: usize, slots: usize) -> f64 {
        let (from, to) = (slot * GRAINS / slots, (slot + 1) * GRAINS / slots);
        mean(&self.grains[from..to.max(from + 1)])
    }
}

fn interval(coefficient: f64) -> (f64, f64) {
    (coefficient / SPREAD, coefficient * SPREAD)
}

#[expect(clippy::cast_precision_loss, reason = "288 at most")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Until when a profile may be used: no longer than the foreign ranking that it was filled from.
#[must_use]
pub fn held(profile: &Profile, until: Timestamp) -> Timestamp {
    let lent = profile.prior.as_ref();
    lent.map_or(until, |lent| until.min(lent.until))
}

/// The note for readers that a profile was filled from another server's ranking.
#[must_use]
pub fn label(profile: &Profile) -> Option<String> {
    let of = &profile.prior.as_ref()?.by;
    Some(format!(
        "No load of this CA is known yet. Until there is, this is the ranking of {of}, taken as a start."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demand::series::Series;

    /// A ranking with one busy hour; slots from `unknown` on are unknown.
    fn ranking(unknown: usize) -> Vec<u8> {
        let slots: Vec<serde_json::Value> = (0..24)
            .map(|hour| {
                let coefficient = (hour < unknown).then_some(if hour == 1 { 3.4 } else { 0.9 });
                serde_json::json!({"coefficient": coefficient, "weight": 0.04})
            })
            .collect();
        let document = serde_json::json!({
            "schemaVersion": "1.1", "modelVersion": "m", "ca": "other", "slotMinutes": 60,
            "validUntil": "2026-12-01T00:00:00Z", "slots": slots, "avoid": [],
        });
        serde_json::to_vec(&document).unwrap()
    }

    #[test]
    fn another_s_ranking_serves_who_knows_nothing_in_slots_of_any_length() {
        let prior = Prior::parse(&ranking(24)).unwrap();
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        for slot_seconds in [3_600, 1_800, 900, 300] {
            let own = Profile::learn(&Series::default(), now, slot_seconds, &[]);
            let filled = prior.under(&own).unwrap();
            let hours = usize::try_from(3_600 / slot_seconds).unwrap();
            let of = |hour: usize| filled.day[hour * hours].coefficient;
            assert!(of(1) / of(2) > 3.7 && of(1) / of(2) < 3.8, "{slot_seconds}");
            let sum: f64 = filled.week.iter().map(|slot| slot.coefficient).sum();
            let mean = sum / f64::from(u32::try_from(filled.week.len()).unwrap());
            assert!((mean - 1.0).abs() < 1e-9);
            assert!(filled.day[0].low < 0.5 && filled.day[0].samples == 0);
            assert_eq!(filled.version, "prior-m");
            assert!(label(&filled).unwrap().contains("the ranking of other"));
            assert_eq!(label(&own), None);
        }
    }

    #[test]
    fn a_ranking_with_too_little_data_is_no_prior() {
        assert!(Prior::parse(&ranking(12)).is_ok());
        assert_eq!(Prior::parse(&ranking(11)), Err(Unusable::Unknown));
        assert!(matches!(Prior::parse(b"{}"), Err(Unusable::Unreadable(_))));
        assert!(matches!(
            Prior::parse(b"<html>"),
            Err(Unusable::Unreadable(_))
        ));
    }
}
