//! The minutes of the hour as bars, shown if slots are shorter than an hour.

use crate::publication::published::Published;

const MINUTES_OF_HOUR: i64 = 60;
/// The same height as the picture of failures.
const BAR_HEIGHT: f64 = 80.0;
const BAR_STEP: f64 = 12.0;

/// The bars and their labels.
pub(super) struct Minutes {
    pub(super) bars: Vec<Bar>,
    /// The position of the mean.
    pub(super) mean_at: String,
    /// The load at the upper end.
    pub(super) full: String,
    /// A description in words.
    pub(super) words: String,
}

/// One minute.
pub(super) struct Bar {
    pub(super) left: String,
    pub(super) top: String,
    pub(super) height: String,
    pub(super) words: String,
}

/// `None` if slots are whole hours, or nothing is known about their minutes.
pub(super) fn minutes(ranking: &Published) -> Option<Minutes> {
    let loads = ranking.minutes.as_ref()?;
    if ranking.slot_minutes >= MINUTES_OF_HOUR {
        return None;
    }
    let most = loads.iter().copied().enumerate();
    let (busiest, most) = most.reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let least = loads.iter().copied().enumerate();
    let (quietest, _) = least.reduce(|a, b| if b.1 < a.1 { b } else { a })?;
    let full = most.max(1.0);
    let mut left = 0.0;
    let bars = loads.iter().enumerate().map(|(minute, load)| {
        let height = load / full * BAR_HEIGHT;
        let bar = Bar {
            left: format!("{left:.0}"),
            top: format!("{:.1}", BAR_HEIGHT - height),
            height: format!("{height:.1}"),
            words: format!(":{minute:02} {load:.2}"),
        };
        left += BAR_STEP;
        bar
    });
    Some(Minutes {
        bars: bars.collect(),
        mean_at: format!("{:.1}", BAR_HEIGHT - BAR_HEIGHT / full),
        full: format!("{full:.1}"),
        words: format!(
            "The busiest is :{busiest:02}, with {most:.1} times the mean of its hour; the quietest is :{quietest:02}. \
             The dashed line is the mean."
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ranking(slot_minutes: i64, minutes: &Value) -> Published {
        let count = 1_440 / slot_minutes;
        let slot = json!({"start": "00:00", "end": "01:00", "coefficient": null, "weight": 0.0, "rank": null,
            "index": null, "failureRate": null, "coverage": 0.0, "samples": 0, "low": null, "high": null});
        let slots: Vec<Value> = (0..count).map(|_| slot.clone()).collect();
        let week: Vec<Value> = (0..7 * count)
            .map(|_| json!({"coefficient": null}))
            .collect();
        let document = json!({"schemaVersion": "1.1", "modelVersion": "m", "ca": "a", "environment": "production",
            "generatedAt": "2026-11-28T00:00:00Z", "dataThrough": null, "nextUpdate": "2026-11-29T00:00:00Z",
            "validUntil": "2026-11-30T00:00:00Z", "slotMinutes": slot_minutes, "peak": null, "quietest": [],
            "slots": slots, "week": week, "minutes": minutes, "avoid": [], "advice": ""});
        Published::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn they_are_drawn_where_slots_are_finer_than_an_hour_alone() {
        let loads: Vec<f64> = (0..60)
            .map(|minute| if minute == 0 { 4.0 } else { 0.95 })
            .collect();
        let known = json!(loads);
        assert!(minutes(&ranking(60, &known)).is_none());
        assert!(minutes(&ranking(15, &Value::Null)).is_none());
        let drawn = minutes(&ranking(15, &known)).unwrap();
        assert_eq!(drawn.bars.len(), 60);
        assert_eq!(
            (drawn.bars[0].height.as_str(), drawn.mean_at.as_str()),
            ("80.0", "60.0")
        );
        assert!(
            drawn
                .words
                .starts_with("The busiest is :00, with 4.0 times"),
            "{}",
            drawn.words
        );
    }
}
