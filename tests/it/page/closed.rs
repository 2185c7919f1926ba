//! What the page says while the CA is closed: that, and no hour called quiet.

use super::*;

/// A Saturday, 18:00 UTC: an hour that is quiet.
const EVENING: Timestamp = Timestamp::from_unix(NOW.unix() + 8 * HOUR);

fn maintenance(from: Timestamp, to: Timestamp) -> Value {
    json!({"kind": "maintenance", "ca": "example", "name": "New disks", "from": from, "to": to})
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_outage_no_hour_is_called_quiet() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    browser.set_clock(EVENING.unix(), "UTC");
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    let sentence = browser.text("#sentence-here");
    assert!(
        sentence.starts_with("Quiet now, until 23:00 UTC"),
        "{sentence}"
    );
    assert_eq!(browser.text("#first"), "");

    let scene = PlanningContext::in_an_outage(EVENING).await;
    scene.open(&mut browser, "/");
    let want = "Closed now, until about 18:30 UTC (outage); quiet again from 18:30 UTC; avoid ";
    assert!(browser.text("#sentence-here").starts_with(want));
    browser.until("document.querySelector('#served').hidden === false");
    // That it is down is read first, then that it is closed, then what holds each day.
    let first = browser.text("#first");
    assert!(first.starts_with("The CA is down since "), "{first}");
    assert!(first.contains(want), "{first}");
    let order = browser.evaluate(
        "!!(document.querySelector('#first').compareDocumentPosition(document.querySelector('h1')) & Node.DOCUMENT_POSITION_FOLLOWING)",
    );
    assert_eq!(order, true);
    let body = browser.text("body");
    assert_eq!(body.matches("Validation is away").count(), 1, "{body}");
    // It has begun, and so it is not ahead.
    assert!(!body.contains("Closed ahead"), "{body}");

    // The same without a script, in UTC.
    browser.allow_scripts(false);
    scene.open(&mut browser, "/");
    let closed = browser.text("#closed");
    assert!(
        closed.starts_with("Closed from 2026-11-21T17:00:00Z to about "),
        "{closed}"
    );
    assert!(closed.contains("2026-11-21T18:30:00Z (outage)"), "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_hour_in_which_the_ca_is_closed_is_skipped() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::in_an_outage(EVENING).await;
    let after = maintenance(EVENING + HOUR / 2, EVENING + 2 * HOUR);
    scene.open_incident(after).await;
    let later = maintenance(EVENING + 3 * HOUR, EVENING + 4 * HOUR);
    scene.open_incident(later).await;
    // What follows the outage without a gap prolongs it.
    for (minutes, want) in [
        (
            0,
            "Closed now, until 20:00 UTC (outage); quiet again from 20:00 UTC; avoid ",
        ),
        (
            45,
            "Closed now, until 20:00 UTC (maintenance); quiet again from 20:00 UTC; avoid ",
        ),
        (
            130,
            "Quiet now, until 21:00 UTC; then closed (maintenance); avoid ",
        ),
        (
            185,
            "Closed now, until 22:00 UTC (maintenance); quiet again from 22:00 UTC; avoid ",
        ),
    ] {
        browser.set_clock((EVENING + minutes * 60).unix(), "UTC");
        scene.open(&mut browser, "/");
        let sentence = browser.text("#sentence-here");
        assert!(sentence.starts_with(want), "{minutes}: {sentence}");
        let ahead = browser.evaluate(
            "[...document.querySelectorAll('#ahead li')].filter((one) => !one.hidden).length",
        );
        let wanted = match minutes {
            0 => 2,
            45 | 130 => 1,
            _ => 0,
        };
        assert_eq!(ahead, wanted, "{minutes}");
        let heading = browser.evaluate("document.querySelector('#ahead').hidden");
        assert_eq!(heading, wanted == 0, "{minutes}");
    }
}
