//! What depends on the moment and the reader: the hour that it is, what is stale, what is overdue.

use super::*;
use crate::browser::LIGHT;
use offpeak::domain::time::{DAY, MINUTE};

#[tokio::test(flavor = "multi_thread")]
async fn the_current_hour_is_marked_and_shown_in_the_reader_s_zone_and_in_utc() {
    let Some(mut browser) = browser("Asia/Kolkata") else {
        return;
    };
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    // NOW is a Saturday, 10:00 UTC: the sixth row, the eleventh hour.
    let marked = browser.evaluate(
        "[...document.querySelectorAll('#map [aria-current=time]')].map((cell) => [cell.parentElement.rowIndex - 1, cell.cellIndex - 1])",
    );
    assert_eq!(marked, json!([[5, 10]]));
    assert_eq!(browser.text("#day tr[aria-current=time] th"), "10:00–11:00");
    let sentence = browser.text("#sentence-here");
    assert!(sentence.contains("15:30 (10:00 UTC)"), "{sentence}");
    // Beside the hours of UTC stand those of the reader, at their half hours.
    let here = browser.evaluate(
        "[...document.querySelectorAll('#map thead small')].map((hour) => hour.textContent)",
    );
    let want = [json!("here"), json!("05:30"), json!("06:30")];
    assert_eq!(here.as_array().unwrap()[..3], want);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_time_the_page_says_that_it_is_stale_even_from_a_file() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::known().await;
    let folder = scene.written();
    let file = format!("file://{}", folder.path().join("index.html").display());
    browser.look(LIGHT);
    browser.open(&file);
    assert_eq!(
        browser.evaluate("document.querySelector('#stale').hidden"),
        true
    );
    // Good for two intervals of a day.
    browser.set_clock((NOW + 2 * DAY + 60).unix(), "UTC");
    browser.open(&file);
    browser.picture("stale-light");
    let stale = browser.text("#stale");
    assert!(stale.starts_with("Stale: this page held until"), "{stale}");
    let command = browser.text("#curl");
    assert!(
        command.contains("\"https://ari.example.com/v1/best-time"),
        "{command}"
    );
    // What the page holds itself is there without any server.
    assert!(browser.text("#next-words").contains("As of 2 days ago"));
    browser
        .until("document.querySelector('#status').textContent.includes('No service answers here')");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_overdue_is_flagged() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::in_an_outage(NOW).await;
    let folder = scene.written();
    let file = format!("file://{}", folder.path().join("index.html").display());
    browser.set_clock((NOW + 12 * 60 + 5).unix(), "UTC");
    browser.open(&file);
    let incident = browser.text(".incident");
    assert!(incident.contains("Validation is away"), "{incident}");
    assert!(incident.contains("last update 12 min ago"), "{incident}");
    assert!(!incident.contains("overdue"), "{incident}");
    // It had expected its end after half an hour, and said nothing since.
    browser.set_clock((NOW + 2 * HOUR + 5).unix(), "UTC");
    browser.open(&file);
    let incident = browser.text(".incident");
    assert!(
        incident.contains("an update is overdue by 1 h 30 min"),
        "{incident}"
    );
}

#[tokio::test]
async fn an_incident_makes_a_new_page_within_the_minute() {
    let scene = PlanningContext::in_an_outage(NOW).await;
    let before = scene.document("index.html");
    let path = "/v1/incidents/1";
    let note = json!({"note": "we have found the cause"}).to_string();
    scene.server.clock.set(NOW + 600);
    let amended = scene
        .server
        .as_admin(Method::PATCH, path)
        .header("content-type", "application/json")
        .body(note)
        .send()
        .await
        .unwrap();
    assert_eq!(amended.status(), StatusCode::OK);
    scene.server.clock.set(NOW + 661);
    scene.server.engine.publish_if_due().await.unwrap();
    let after = scene.document("index.html");
    assert!(before != after);
    let after = String::from_utf8_lossy(&after).into_owned();
    assert!(after.contains("we have found the cause"));
    // Nothing has changed since: neither does the page.
    scene.server.clock.set(NOW + 1_200);
    scene.server.engine.publish_if_due().await.unwrap();
    assert!(after.as_bytes() == &*scene.document("index.html"));
}

/// The bars of each chart of the last hour: its heading, how many there are, and at which minutes, counted
/// from 0, stand gaps and failures.
const LIVE: &str = "[...document.querySelectorAll('#live figure')].map((figure) => {
    const at = (rect) => Math.round(rect.getAttribute('x') / 12);
    const bars = [...figure.querySelectorAll('rect')];
    const high = (rect) => Number(rect.getAttribute('height')) > 0;
    return [figure.querySelector('figcaption').innerText, [...new Set(bars.map(at))].length,
        bars.filter((rect) => rect.matches('.gap')).map(at), bars.filter((rect) => rect.matches('.fail') && high(rect)).map(at)]; })";

#[tokio::test(flavor = "multi_thread")]
async fn the_last_hour_is_drawn_by_the_minute_with_its_gaps_and_failures() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    let scene = PlanningContext::unknown().await;
    let probe = |ago: i64, endpoint: &str, failed: u64| {
        [("attempt", 4), ("failed", failed)].map(|(kind, count)| {
            json!({"at": NOW - ago * MINUTE, "kind": kind, "count": count, "ca": "example",
                "source": "observer", "vantage": "singapore", "endpoint": endpoint})
            .to_string()
        })
    };
    // Three minutes were told by nobody; orders failed in the last two.
    let lines: Vec<String> = (1..=60)
        .filter(|ago| !(20..23).contains(ago))
        .flat_map(|ago| {
            [
                probe(ago, "directory", 0),
                probe(ago, "new-order", u64::from(ago < 3)),
            ]
        })
        .flatten()
        .collect();
    let report = scene.server.as_admin(Method::POST, "/v1/observations");
    let report = report.header("content-type", "application/x-ndjson");
    let report = report.body(lines.join("\n")).send().await.unwrap();
    assert_eq!(report.status(), StatusCode::OK);
    scene.server.engine.catch_up().await.unwrap();
    scene.open(&mut browser, "/ca/example/");
    browser.until("document.querySelectorAll('#live figure').length === 2");
    let gaps = [38, 39, 40];
    assert_eq!(
        browser.evaluate(LIVE),
        json!([
            [
                "an outside monitor · directory · seen from singapore",
                60,
                gaps,
                []
            ],
            [
                "an outside monitor · new-order · seen from singapore",
                60,
                gaps,
                [58, 59]
            ],
        ])
    );
    let words = browser.evaluate("document.querySelector('#live svg').getAttribute('aria-label')");
    assert!(
        words
            .as_str()
            .unwrap()
            .contains("57 of 60 minutes are known"),
        "{words}"
    );
    // Hours of the axis are UTC, as said.
    let text = browser.text("#live figure");
    assert!(text.contains("09:15") && !text.contains("10:15"), "{text}");
}
