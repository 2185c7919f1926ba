//! Nothing moves while the page comes up, and it waits for nothing beside itself.

use super::*;
use crate::browser::{LIGHT, Look, PHONE};
use offpeak::domain::time::DAY;

/// What moved after the first paint, and when that was, in milliseconds.
const MEASURED: &str = "new Promise((done) => { let shift = 0; const moved = [];
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => {
        shift += entry.value;
        entry.sources.forEach(({node, previousRect: from, currentRect: to}) => moved.push(
            `${node?.id || node?.parentElement?.id || node?.nodeName} ${from.y} ${from.height} to ${to.y} ${to.height}`));
    })).observe({type: 'layout-shift', buffered: true});
    const paint = () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime;
    const wait = setInterval(() => { if (paint()) { clearInterval(wait);
        setTimeout(() => done({shift, moved, paint: paint()}), 500); } }, 10); })";

/// What the first paint waits for beside the page itself: files of its style and its scripts would be.
const WAITED_FOR: &str = "performance.getEntriesByType('resource')
    .filter(({renderBlockingStatus}) => renderBlockingStatus === 'blocking').map(({name}) => name)";

/// So many first paints are printed.
const PAINTED: usize = 5;
/// The first page that a browser shows waits for the browser itself.
const OPENED: usize = 2;
/// News that comes late on a busy machine may move a page once. What moves it by itself does each time.
const TRIES: usize = 5;

/// A page that comes up in one of its states.
struct Case {
    name: &'static str,
    scene: PlanningContext,
    paths: &'static [&'static str],
}

async fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name, scene, paths| cases.push(Case { name, scene, paths });
    case(
        "known",
        PlanningContext::known().await,
        &["/", "/ca/example/"],
    );
    case("unknown", PlanningContext::unknown().await, &["/"]);
    case(
        "staging",
        PlanningContext::with_staging().await,
        &["/", "/ca/stage/"],
    );
    case(
        "outage",
        PlanningContext::in_an_outage(NOW).await,
        &["/", "/ca/example/"],
    );
    let several = PlanningContext::with_staging().await;
    for ca in ["example", "other"] {
        let outage = json!({"kind": "outage", "ca": ca, "name": format!("The validation of {ca} is away"),
            "from": NOW - HOUR, "estimatedEnd": NOW + HOUR, "note": "we look for the cause"});
        several.open_incident(outage).await;
    }
    let revocation = json!({"kind": "drill", "ca": "other", "name": "A drill", "renewBy": NOW + 5 * DAY,
        "explanationURL": "https://status.example.com/2"});
    several.open_incident(revocation).await;
    case("outages", several, &["/", "/ca/other/"]);
    let announced = PlanningContext::two_cas().await;
    let maintenance = json!({"kind": "maintenance", "ca": "other", "name": "New disks", "from": NOW + HOUR, "to": NOW + 3 * HOUR});
    announced.open_incident(maintenance).await;
    case("announced", announced, &["/", "/ca/other/"]);
    let closed = PlanningContext::two_cas().await;
    let maintenance = json!({"kind": "maintenance", "ca": "example", "name": "New disks", "from": NOW - HOUR, "to": NOW + HOUR});
    closed.open_incident(maintenance).await;
    case("closed", closed, &["/", "/ca/example/"]);
    // One fails since the page was made, which the service alone knows.
    let failing = PlanningContext::two_cas().await;
    let lines = (1..=20).flat_map(|ago| {
        let line = |kind, count| json!({"at": NOW - ago * 60, "kind": kind, "count": count, "ca": "other"});
        [line("attempt", 50).to_string(), line("failed", 45).to_string()]
    });
    let lines: Vec<String> = lines.collect();
    let report = failing.server.as_admin(Method::POST, "/v1/observations");
    let report = report
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    assert_eq!(report.send().await.unwrap().status(), StatusCode::OK);
    failing.server.engine.catch_up().await.unwrap();
    case("failing", failing, &["/", "/ca/other/"]);
    cases
}

/// What moved, by page, and the times of the first paints of all but the first page.
fn opened(browser: &mut Browser, case: &Case, look: Look, times: usize) -> (Vec<String>, Vec<f64>) {
    browser.look(look);
    let (mut moved, mut paints) = (Vec::new(), Vec::new());
    for path in case.paths {
        for _ in 0..times {
            case.scene.open(browser, path);
            let measured = browser.evaluate(MEASURED);
            paints.push(measured["paint"].as_f64().unwrap());
            if measured["shift"] != 0 && measured["shift"] != 0.0 {
                moved.push(format!("{} {} {path}: {measured}", case.name, look.name));
            }
        }
    }
    (moved, paints)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_while_the_page_comes_up_whatever_its_state() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    let mut moved = Vec::new();
    for case in cases().await {
        for look in [LIGHT, PHONE] {
            let mut found = opened(&mut browser, &case, look, OPENED).0;
            for _ in 1..TRIES {
                if found.is_empty() {
                    break;
                }
                found = opened(&mut browser, &case, look, 1).0;
            }
            moved.extend(found);
        }
    }
    assert_eq!(moved, [""; 0], "{}", moved.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_waits_for_nothing_beside_itself() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    let case = Case {
        name: "known",
        scene: PlanningContext::known().await,
        paths: &["/"],
    };
    opened(&mut browser, &case, LIGHT, OPENED);
    assert_eq!(browser.evaluate(WAITED_FOR), json!([]));
    let (_, mut paints) = opened(&mut browser, &case, LIGHT, PAINTED);
    paints.sort_by(f64::total_cmp);
    println!("first paints: {paints:?} ms");
}
