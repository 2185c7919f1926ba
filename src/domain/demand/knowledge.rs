//! How much a ranking knows, and so whether a new one is worth making before the interval is over.

use serde::Deserialize;

use super::profile::{Evidence, Profile};
use crate::time::{MINUTE, Timestamp};

/// The shortest time between two rankings of which the later only knows more slots, in seconds. While a
/// history is imported, the model learns from it every half minute, and readers keep a copy for five
/// minutes.
const LEAST_SECONDS: i64 = MINUTE;

/// What is known of the day at one CA.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Knowledge {
    /// Whether a source was ever alive.
    has_data: bool,
    /// For each slot of the day, whether enough is known of it.
    slots: Vec<bool>,
}

/// What is known that a published ranking does not contain; a greater value is more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum News {
    /// Nothing.
    No,
    /// A slot of which the ranking knows too little, or an incident that has changed since.
    Slot,
    /// The first data: the ranking was made without any.
    First,
}

impl Knowledge {
    /// The knowledge in a learned profile.
    #[must_use]
    pub fn learned(profile: &Profile) -> Self {
        let slots = profile.day.iter();
        Self {
            has_data: profile.data.is_some(),
            slots: slots
                .map(|slot| slot.evidence == Evidence::Sufficient)
                .collect(),
        }
    }

    /// The knowledge in a published ranking, read from its bytes; none if these are not a ranking.
    #[must_use]
    pub fn published(ranking: &[u8]) -> Self {
        let parsed = serde_json::from_slice::<Ranking>(ranking);
        parsed.map_or_else(|_| Self::default(), Self::from)
    }

    /// What is known here that a published ranking does not contain. Rankings with slots of another
    /// length are not compared: replicas with different configurations would replace each other's
    /// rankings for ever.
    #[must_use]
    pub fn news_to(&self, published: &Self) -> News {
        if self.has_data && !published.has_data {
            return News::First;
        }
        let mut slots = self.slots.iter().zip(&published.slots);
        if self.slots.len() == published.slots.len()
            && slots.any(|(known, theirs)| *known && !*theirs)
        {
            News::Slot
        } else {
            News::No
        }
    }
}

impl News {
    /// Whether a ranking made at `made_at` is to be followed by another at `now`, even if the interval
    /// is not over.
    #[must_use]
    pub fn is_worth_another(self, made_at: Timestamp, now: Timestamp) -> bool {
        match self {
            // Not in the same second: the store orders two rankings by their times.
            Self::First => now > made_at,
            Self::No => false,
            Self::Slot => now - made_at >= LEAST_SECONDS,
        }
    }
}

/// The parts of a ranking that are read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ranking {
    data_from: Option<String>,
    slots: Vec<Slot>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    #[serde(default)]
    insufficient_data: bool,
}

impl From<Ranking> for Knowledge {
    fn from(ranking: Ranking) -> Self {
        let slots = ranking.slots.iter();
        Self {
            has_data: ranking.data_from.is_some(),
            slots: slots.map(|slot| !slot.insufficient_data).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(slots: &[bool]) -> Knowledge {
        Knowledge {
            has_data: true,
            slots: slots.to_vec(),
        }
    }

    #[test]
    fn what_a_ranking_does_not_contain_is_news() {
        let nothing = Knowledge {
            has_data: false,
            slots: vec![false; 2],
        };
        for (known, theirs, want) in [
            (nothing.clone(), Knowledge::default(), News::No),
            (nothing.clone(), nothing.clone(), News::No),
            (knows(&[false, false]), nothing.clone(), News::First),
            (knows(&[true, true]), nothing.clone(), News::First),
            (knows(&[true, false]), knows(&[false, false]), News::Slot),
            (knows(&[true, false]), knows(&[false, true]), News::Slot),
            (knows(&[true, false]), knows(&[true, true]), News::No),
            (nothing, knows(&[true, true]), News::No),
            // Slots of another length.
            (knows(&[true; 4]), knows(&[false; 2]), News::No),
            (knows(&[true; 4]), Knowledge::default(), News::First),
        ] {
            assert_eq!(known.news_to(&theirs), want, "{known:?}, {theirs:?}");
        }
    }

    #[test]
    fn the_first_data_waits_for_a_second_and_a_slot_for_a_minute() {
        let at = Timestamp::from_unix;
        for (news, made_at, now, want) in [
            (News::First, 100, 100, false),
            (News::First, 100, 101, true),
            (News::Slot, 100, 159, false),
            (News::Slot, 100, 160, true),
            (News::No, 100, 1_000_000, false),
        ] {
            let worth = news.is_worth_another(at(made_at), at(now));
            assert_eq!(worth, want, "{news:?} at {now}");
        }
    }

    #[test]
    fn an_invalid_ranking_knows_nothing() {
        assert_eq!(Knowledge::published(b"{}"), Knowledge::default());
        let ranking =
            br#"{"dataFrom":"x","slots":[{"rank":1},{"rank":null,"insufficientData":true}]}"#;
        assert_eq!(Knowledge::published(ranking), knows(&[true, false]));
    }
}
