//! Explains a window in plain words.

use serde_json::Value;

use crate::domain::math::number::real;
use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};

/// Characters per line, to fit a terminal.
const WIDTH: usize = 90;

/// A paragraph from the result of [`crate::engine::Engine::explain`].
pub(super) fn paragraph(explanation: &Value) -> String {
    let sentences = [
        which(explanation),
        why(explanation),
        by_whom(explanation),
        again(explanation),
    ];
    wrapped(&sentences.join(" "))
}

/// The window, and its present state.
fn which(explanation: &Value) -> String {
    let window = &explanation["suggestedWindow"];
    let stands = if !explanation["replacedBy"].is_null() {
        "The certificate has been replaced."
    } else if explanation["windowOpen"] == true {
        "The window is open."
    } else if explanation["renewalDue"] == true {
        "The renewal is due."
    } else {
        "The renewal is not due yet."
    };
    let ca = match explanation["ca"].as_str() {
        Some(ca) => format!("the CA {ca:?}"),
        None => "a CA that is configured no more".to_owned(),
    };
    format!(
        "Certificate {} of {ca}, issued at {} and valid until {}, is to be renewed between {} and \
         {}. {stands}",
        text(&explanation["certId"]),
        text(&explanation["issuedAt"]),
        text(&explanation["notAfter"]),
        day_and_time(&window["start"]),
        day_and_time(&window["end"]),
    )
}

/// The reason for the day and hour: the basis of the draw.
fn why(explanation: &Value) -> String {
    let from = &explanation["drawnFrom"];
    match from["rule"].as_str() {
        Some("table") if from["slot"].is_null() => {
            "It was drawn by an algorithm that this version does not know.".to_owned()
        }
        Some("table") => of_table(from, &explanation["draw"]),
        Some("tick") => format!(
            "Its client wakes by a schedule that its requests show: the window was laid so that the \
             client renews when it wakes at {}.",
            day_and_time(&from["tick"])
        ),
        Some("plain") => format!(
            "It belongs to the control group, whose windows ignore the forecast: its start was drawn \
             evenly between {} and {}; the draw came to {}.",
            day_and_time(&from["starts"]["from"]),
            day_and_time(&from["starts"]["to"]),
            share(&explanation["draw"]["secondDraw"]),
        ),
        _ => format!(
            "There was no choice of hours, so its start was drawn evenly between {} and {}; the \
             draw came to {}.",
            day_and_time(&from["starts"]["from"]),
            day_and_time(&from["starts"]["to"]),
            share(&explanation["draw"]["secondDraw"]),
        ),
    }
}

fn of_table(from: &Value, draw: &Value) -> String {
    let table = &from["table"];
    let rows = table["slots"].as_array().map_or(&[][..], Vec::as_slice);
    let drawn = from["slot"]
        .as_u64()
        .and_then(|slot| usize::try_from(slot).ok());
    let row = drawn
        .and_then(|slot| rows.get(slot))
        .unwrap_or(&Value::Null);
    let weight = |row: &Value| number(&row["weight"]);
    let all: f64 = rows.iter().map(weight).sum();
    let open = rows.iter().filter(|row| weight(row) > 0.0).count();
    let chance = weight(row) / all;
    let seconds = table["slotSeconds"].as_i64().unwrap_or(HOUR);
    let band_seconds = seconds.saturating_mul(i64::try_from(rows.len()).unwrap_or(1));
    let (first, end) = (
        time(&table["firstSlot"]),
        time(&table["firstSlot"]).map(|first| first + band_seconds),
    );
    let day = format!(
        "Its life leaves it the {} from {} to {} to start in, {} slots of {} minutes, of which \
         {open} were open.",
        length_in_words(band_seconds),
        spoken(first),
        spoken(end),
        rows.len(),
        seconds / MINUTE,
    );
    let expected = format!(
        "In the slot from {} to {} it was expected that {} certificates come whom no window moves, \
         and {} had been promised by windows before this one; the CA took {} of what it usually \
         takes.",
        day_and_time(&from["slotSpan"]["from"]),
        day_and_time(&from["slotSpan"]["to"]),
        count(&row["unsteered"]),
        count(&row["promised"]),
        per_cent(number(&row["capacity"])),
    );
    let rule = match table["reason"].as_str() {
        Some("level") => format!(
            "Chances were such as to fill all slots up to the same level, {} certificates a slot.",
            count(&table["level"])
        ),
        Some("incident") => "Chances were such that what an incident moves fills the room that is \
                             left, up to the same level."
            .to_owned(),
        Some("moved") => {
            "A rebalance moved it here, from a slot that was too full or closed.".to_owned()
        }
        Some("noRoom") => {
            "No slot had room below the level, so chances followed the CA's capacity.".to_owned()
        }
        Some("nothingKnown") => {
            "Nothing was known of the load, so all open slots had the same chance.".to_owned()
        }
        Some("nothingOpen") => {
            "The CA was closed all that time, so chances were as if it were open.".to_owned()
        }
        _ => String::new(),
    };
    format!(
        "{day} {expected} {rule} This slot had a chance of {}, where {} would have been an equal \
         share; the draw, a number between 0 and 1 that follows from the CertID, came to {} and \
         fell on it, and a second one, {}, chose the moment within it.",
        per_cent(chance),
        per_cent(1.0 / real(i64::try_from(open.max(1)).unwrap_or(1))),
        share(&draw["slotDraw"]),
        share(&draw["secondDraw"]),
    )
}

/// The event that drew it.
fn by_whom(explanation: &Value) -> String {
    let cause = &explanation["cause"];
    match cause["event"].as_str() {
        Some("incident") => {
            let name = cause["name"].as_str().unwrap_or_default();
            let kind = cause["kind"].as_str().unwrap_or("incident");
            format!(
                "Incident {}, the {kind} {name:?}, gave it this window.",
                cause["number"]
            )
        }
        Some("rebalance") => format!("Rebalance {} gave it this window.", cause["number"]),
        _ => format!(
            "It got this window when it was registered, at {}.",
            text(&explanation["registeredAt"])
        ),
    }
}

/// Whether repeating the draw gives the same window.
fn again(explanation: &Value) -> String {
    match explanation["derivationMatches"].as_bool() {
        Some(true) => "Derived again from what is stored, it comes out the same.".to_owned(),
        Some(false) => format!(
            "Derived again from what is stored it comes out otherwise, {} to {}: this is a defect.",
            text(&explanation["derivedWindow"]["start"]),
            text(&explanation["derivedWindow"]["end"]),
        ),
        None => "It cannot be derived again.".to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn day_and_time(value: &Value) -> String {
    spoken(time(value))
}

/// `Saturday 2026-11-21 10:00:00 UTC`.
fn spoken(time: Option<Timestamp>) -> String {
    const DAYS: [&str; 7] = [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ];
    let Some(time) = time else {
        return "an unknown time".to_owned();
    };
    let day = usize::try_from(time.second_of_week() / DAY).unwrap_or_default();
    let written = time.to_string().replace('T', " ").replace('Z', " UTC");
    format!("{} {written}", DAYS[day % DAYS.len()])
}

fn length_in_words(seconds: i64) -> String {
    match seconds / HOUR {
        0 => format!("{} minutes", seconds / MINUTE),
        hours => format!("{hours} hours"),
    }
}

fn count(value: &Value) -> String {
    format!("{:.1}", number(value))
}

fn share(value: &Value) -> String {
    format!("{:.4}", number(value))
}

fn per_cent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn wrapped(text: &str) -> String {
    let mut spoken = String::new();
    let mut letters = 0;
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if letters > 0 && letters + 1 + more > WIDTH {
            spoken.push('\n');
            letters = 0;
        } else if letters > 0 {
            spoken.push(' ');
            letters += 1;
        }
        spoken.push_str(word);
        letters += more;
    }
    spoken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explained(drawn_from: &Value) -> String {
        let explanation = json!({
            "certId": "aYhb.AIdlQyE", "ca": "example",
            "notBefore": "2026-11-21T09:00:00Z", "notAfter": "2027-02-19T08:59:59Z",
            "issuedAt": "2026-11-21T10:00:00Z", "registeredAt": "2026-11-21T10:00:05Z",
            "suggestedWindow": {"start": "2027-01-20T03:12:00Z", "end": "2027-01-21T03:12:00Z"},
            "windowOpen": false, "renewalDue": false, "replacedBy": null,
            "cause": {"event": "registration"},
            "draw": {"slotDraw": 0.372_31, "secondDraw": 0.2},
            "drawnFrom": drawn_from, "derivationMatches": true,
        });
        paragraph(&explanation).replace('\n', " ")
    }

    #[test]
    fn a_draw_from_a_table_is_explained_in_words() {
        let slot = |weight, unsteered, promised| {
            json!({"weight": weight, "unsteered": unsteered, "promised": promised, "steady": 0.0,
                   "extra": 0.0, "capacity": 1.0})
        };
        let spoken = explained(&json!({
            "rule": "table", "tableNumber": 7, "slot": 1,
            "slotSpan": {"from": "2027-01-20T03:00:00Z", "to": "2027-01-20T04:00:00Z"},
            "table": {
                "reason": "level", "slotSeconds": 3_600, "firstSlot": "2027-01-20T02:00:00Z",
                "level": 90.0, "slots": [slot(1, 80.0, 5.0), slot(3, 40.25, 2.0), slot(0, 0.0, 0.0)],
            },
        }));
        for part in [
            "Certificate aYhb.AIdlQyE of the CA \"example\", issued at 2026-11-21T10:00:00Z and valid \
             until 2027-02-19T08:59:59Z, is to be renewed between Wednesday 2027-01-20 03:12:00 UTC \
             and Thursday 2027-01-21 03:12:00 UTC. The renewal is not due yet.",
            "Its life leaves it the 3 hours from Wednesday 2027-01-20 02:00:00 UTC to Wednesday \
             2027-01-20 05:00:00 UTC to start in, 3 slots of 60 minutes, of which 2 were open.",
            "In the slot from Wednesday 2027-01-20 03:00:00 UTC to Wednesday 2027-01-20 04:00:00 \
             UTC it was expected that 40.2 certificates come whom no window moves, and 2.0 had been \
             promised by windows before this one; the CA took 100.00 % of what it usually takes.",
            "up to the same level, 90.0 certificates a slot.",
            "had a chance of 75.00 %, where 50.00 % would have been an equal share; the draw, a \
             number between 0 and 1 that follows from the CertID, came to 0.3723 and fell on it",
            "It got this window when it was registered, at 2026-11-21T10:00:05Z. Derived again from \
             what is stored, it comes out the same.",
        ] {
            assert!(spoken.contains(part), "{part}\nis not in\n{spoken}");
        }
    }

    #[test]
    fn other_draws_are_explained_in_words_too() {
        let starts = json!({"from": "2027-01-20T00:00:00Z", "to": "2027-01-20T06:00:00Z"});
        let spoken = explained(&json!({ "rule": "plain", "starts": starts }));
        assert!(spoken.contains("the control group"), "{spoken}");
        assert!(
            spoken.contains("and Wednesday 2027-01-20 06:00:00 UTC; the draw came to 0.2000"),
            "{spoken}"
        );
        let spoken = explained(&json!({ "rule": "span", "starts": starts }));
        assert!(spoken.contains("There was no choice of hours"), "{spoken}");
        let spoken = explained(&json!({ "rule": "tick", "tick": "2027-01-20T04:17:00Z" }));
        assert!(
            spoken.contains("wakes at Wednesday 2027-01-20 04:17:00 UTC"),
            "{spoken}"
        );
        let spoken = explained(&json!({ "rule": "table", "tableNumber": 1 }));
        assert!(
            spoken.contains("an algorithm that this version does not know"),
            "{spoken}"
        );
    }

    #[test]
    fn lines_fit_a_terminal() {
        let spoken = paragraph(&json!({}));
        assert!(spoken.lines().count() > 2, "{spoken}");
        assert!(
            spoken.lines().all(|line| line.chars().count() <= WIDTH),
            "{spoken}"
        );
    }
}
