//! How the page looks, and whether everybody can use it: pictures in `target/screenshots`, and axe.

use std::path::Path;

use offpeak::domain::time::DAY;

use super::*;
use crate::browser::{DARK, DARK_PHONE, FORCED, LIGHT, Look, PHONE, PRINT};

/// Looks at a page in each of these ways and has axe judge each.
fn judge(name: &str, scene: &PlanningContext, path: &str, looks: &[Look]) {
    let (Some(mut browser), Some(axe)) = (browser("Europe/Prague"), tool("OFFPEAK_TEST_AXE"))
    else {
        return;
    };
    for look in looks {
        browser.look(*look);
        scene.open(&mut browser, path);
        browser.until("!/asking/i.test(document.querySelector('#status').textContent)");
        usable(&mut browser, &axe, name, *look);
    }
}

/// Takes a picture of what is shown, has axe judge it, and sees that nothing runs out of it at the side.
fn usable(browser: &mut Browser, axe: &Path, name: &str, look: Look) {
    browser.picture(&format!("{name}-{}", look.name));
    let found = browser.accessibility(axe);
    assert_eq!(found, [""; 0], "{name} {}: {}", look.name, found.join("\n"));
    let wide = browser.evaluate("document.documentElement.scrollWidth");
    assert!(
        wide.as_u64().unwrap() <= look.width.into(),
        "{name} {}: {wide}",
        look.name
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_the_page() {
    let looks = [LIGHT, DARK, FORCED, PHONE, DARK_PHONE, PRINT];
    judge("known", &PlanningContext::known().await, "/", &looks);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_the_page_while_nothing_is_known() {
    judge(
        "unknown",
        &PlanningContext::unknown().await,
        "/",
        &[LIGHT, PHONE, FORCED],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_the_pages_of_two_cas() {
    judge(
        "two",
        &PlanningContext::two_cas().await,
        "/",
        &[LIGHT, PHONE],
    );
    judge(
        "two-other",
        &PlanningContext::two_cas().await,
        "/ca/other/",
        &[DARK],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_the_page_in_an_incident() {
    judge(
        "outage",
        &PlanningContext::in_an_outage(NOW).await,
        "/",
        &[LIGHT, DARK, PHONE],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_the_page_when_it_is_stale() {
    let (Some(mut browser), Some(axe)) = (browser("UTC"), tool("OFFPEAK_TEST_AXE")) else {
        return;
    };
    let scene = PlanningContext::known().await;
    let folder = scene.written();
    let file = format!("file://{}", folder.path().join("index.html").display());
    // Good for two intervals of a day.
    browser.set_clock((NOW + 3 * DAY).unix(), "UTC");
    for look in [LIGHT, DARK, FORCED, PHONE] {
        browser.look(look);
        browser.open(&file);
        browser.until("document.querySelector('#stale').innerText.startsWith('Stale')");
        browser.until("!/asking/i.test(document.querySelector('#status').textContent)");
        usable(&mut browser, &axe, "stale", look);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_read_the_report_of_a_week() {
    let (Some(mut browser), Some(axe)) = (browser("UTC"), tool("OFFPEAK_TEST_AXE")) else {
        return;
    };
    let scene = PlanningContext::two_cas().await;
    for look in [LIGHT, DARK, FORCED, PHONE, PRINT] {
        browser.look(look);
        // The week before the one that it is: all of it was counted.
        scene.open(&mut browser, "/report/2026-W46/");
        let text = browser.text("body");
        assert!(text.contains("Busiest:"), "{text}");
        // Hours were counted, which do not tell how it was within them.
        assert!(text.contains("too coarse or too little to tell"), "{text}");
        usable(&mut browser, &axe, "report", look);
    }
}
