//! What depends on the moment and the reader: the hour that it is, what is stale, what is overdue.

use super::*;
use crate::browser::LIGHT;
use offpeak::domain::time::DAY;

#[tokio::test(flavor = "multi_thread")]
async fn the_hour_that_it_is_is_marked_and_told_in_the_reader_s_zone_and_in_utc() {
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
