//! A ranking reduced to whole hours, which people plan by, whatever the slot length.

use crate::publication::published::{Published, Slot};
use crate::time::{HOUR, MINUTE};

/// The same day with slots of an hour. The load of an hour is the mean of its known slots, and an
/// hour is open only if all of its slots are. Other details of the slots, and the week, are left
/// out.
pub(super) fn whole(ranking: &Published) -> Published {
    let per_hour = usize::try_from(HOUR / (ranking.slot_minutes.max(1) * MINUTE)).unwrap_or(1);
    let hour_of = |start: &str| format!("{}:00", start.split(':').next().unwrap_or_default());
    let mut quietest: Vec<String> = Vec::new();
    for hour in ranking.quietest.iter().map(|start| hour_of(start)) {
        if !quietest.contains(&hour) {
            quietest.push(hour);
        }
    }
    Published {
        slot_minutes: HOUR / MINUTE,
        quietest,
        slots: ranking.slots.chunks(per_hour.max(1)).map(hour).collect(),
        week: Vec::new(),
        ..ranking.clone()
    }
}

fn hour(slots: &[Slot]) -> Slot {
    let known: Vec<f64> = slots.iter().filter_map(|slot| slot.coefficient).collect();
    let count = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let open = slots.iter().all(|slot| slot.weight > 0.0);
    let weight: f64 = slots.iter().map(|slot| slot.weight).sum();
    Slot {
        start: slots
            .first()
            .map(|slot| slot.start.clone())
            .unwrap_or_default(),
        end: slots
            .last()
            .map(|slot| slot.end.clone())
            .unwrap_or_default(),
        coefficient: (count > 0).then(|| known.iter().sum::<f64>() / f64::from(count)),
        weight: if open { weight } else { 0.0 },
        rank: None,
        index: None,
        failure_rate: None,
        coverage: 0.0,
        samples: 0,
        low: None,
        high: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day of five-minute slots with these loads and weights.
    fn day(load: impl Fn(usize) -> Option<f64>, weight: impl Fn(usize) -> f64) -> Published {
        let slot = |number: usize| {
            let clock = |number: usize| {
                let minutes = number % 288 * 5;
                format!("{:02}:{:02}", minutes / 60, minutes % 60)
            };
            serde_json::json!({
                "start": clock(number), "end": clock(number + 1), "coefficient": load(number),
                "weight": weight(number), "coverage": 1.0, "samples": 28,
            })
        };
        let week = vec![serde_json::json!({"coefficient": null}); 7 * 288];
        let ranking = serde_json::json!({
            "schemaVersion": "1.1", "modelVersion": "1", "ca": "example", "environment": "production",
            "generatedAt": "2026-11-21T10:00:00Z", "nextUpdate": "2026-11-22T10:00:00Z",
            "validUntil": "2026-11-23T10:00:00Z", "slotMinutes": 5,
            "quietest": ["03:05", "03:50", "23:55"], "slots": (0..288).map(slot).collect::<Vec<_>>(),
            "week": week, "avoid": [], "advice": "",
        });
        Published::parse(ranking.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_hour_has_the_mean_of_what_is_known_of_its_slots() {
        // In the hour from 03:00, every other slot is unknown; the rest alternate between 0.5 and
        // 0.7.
        let load = |number: usize| match number {
            36..48 if number % 2 == 1 => None,
            36..48 => Some(if number.is_multiple_of(4) { 0.5 } else { 0.7 }),
            48..60 => None,
            _ => Some(1.0),
        };
        let whole = whole(&day(
            load,
            |number| if number == 7 { 0.0 } else { 1.0 / 287.0 },
        ));
        assert_eq!(whole.slots.len(), 24);
        assert_eq!(whole.quietest, ["03:00", "23:00"]);
        let third = &whole.slots[3];
        assert_eq!(
            (third.start.as_str(), third.end.as_str()),
            ("03:00", "04:00")
        );
        assert!(
            third
                .coefficient
                .is_some_and(|load| (load - 0.6).abs() < 1e-9)
        );
        assert_eq!(whole.slots[4].coefficient, None);
        assert_eq!(whole.slots[23].end, "00:00");
        // One closed slot closes its hour.
        let closed: Vec<bool> = whole.slots.iter().map(|slot| slot.weight <= 0.0).collect();
        assert_eq!(closed.iter().position(|closed| *closed), Some(0));
        assert_eq!(closed.iter().filter(|closed| **closed).count(), 1);
    }
}
