//! The page of several CAs: how each of its environment is, by name.

use super::*;

/// Each line of the status: how the CA is, what the line says, and where its name leads to.
const LINES: &str = "[...document.querySelectorAll('#status .status')].map((line) =>
    [line.dataset.status, line.innerText, line.querySelector('a')?.getAttribute('href') ?? null])";

/// The same once the service has answered.
fn lines(
    browser: &mut Browser,
    scene: &PlanningContext,
    path: &str,
) -> Vec<(String, String, String)> {
    scene.open(browser, path);
    browser.until("!/asking/i.test(document.querySelector('#status').textContent)");
    // The page says what it knows itself before the service answers, which alone shows this.
    browser.until("document.querySelector('#served').hidden === false");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    browser
        .evaluate(LINES)
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (text(&line[0]), text(&line[1]), text(&line[2])))
        .collect()
}

fn outage_of(ca: &str, name: &str) -> Value {
    json!({"kind": "outage", "ca": ca, "name": name, "from": NOW - HOUR, "estimatedEnd": NOW + HOUR})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staging_ca_that_is_down_says_nothing_of_those_of_production() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::with_staging().await;
    scene
        .open_incident(outage_of("stage", "Staging is away"))
        .await;
    let shown = lines(&mut browser, &scene, "/");
    let places: Vec<&str> = shown.iter().map(|(.., place)| place.as_str()).collect();
    assert_eq!(places, ["ca/example/", "ca/other/"], "{shown:?}");
    for ((status, text, _), name) in shown.iter().zip(["example", "other"]) {
        assert!(status != "down", "{shown:?}");
        assert!(text.starts_with(&format!("{name}: ")), "{text}");
    }
    let body = browser.text("body");
    assert!(!body.contains("Staging is away"), "{body}");
    assert!(!body.contains("down since"), "{body}");
    assert!(!String::from_utf8_lossy(&scene.document("index.html")).contains("Staging is away"));
    // On its own page it is.
    let own = lines(&mut browser, &scene, "/ca/stage/");
    let [(status, text, place)] = &own[..] else {
        panic!("{own:?}");
    };
    assert_eq!((status.as_str(), place.as_str()), ("down", ""));
    assert!(text.starts_with("The CA is down since "), "{text}");
    // And not on that of another.
    let other = lines(&mut browser, &scene, "/ca/other/");
    assert!(other.len() == 1 && other[0].0 != "down", "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ca_that_is_down_is_named_before_anything_else() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::with_staging().await;
    scene
        .open_incident(outage_of("other", "Other is away"))
        .await;
    let shown = lines(&mut browser, &scene, "/");
    let states: Vec<bool> = shown.iter().map(|(status, ..)| status == "down").collect();
    assert_eq!(states, [false, true], "{shown:?}");
    assert!(shown[1].1.starts_with("other: down since "), "{shown:?}");
    let first = browser.text("#first");
    assert!(first.contains("other: down since "), "{first}");
    // Its name stands at the incident alone.
    let body = browser.text("body");
    assert_eq!(body.matches("Other is away").count(), 1, "{body}");
    // A part that is empty here leads to where it is not.
    let links = browser.evaluate(
        "[...document.querySelectorAll('#next-words a')].map((link) => link.getAttribute('href'))",
    );
    assert_eq!(links, json!(["ca/example/", "ca/other/"]));
}
