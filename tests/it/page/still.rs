//! Nothing moves while the page comes up, and it is there at once.

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

/// A page that is first shown within this, milliseconds, is there at once.
const FIRST_PAINT_WITHIN: f64 = 200.0;
/// The first page that a browser shows waits for the browser itself, and a busy machine delays any.
const OPENED: usize = 5;

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
    cases
}

/// What moved, by page, and the times of the first paints of all but the first page.
fn opened(browser: &mut Browser, case: &Case, look: Look) -> (Vec<String>, Vec<f64>) {
    browser.look(look);
    let (mut moved, mut paints) = (Vec::new(), Vec::new());
    for path in case.paths {
        for _ in 0..OPENED {
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
    let mut moved = Vec::new();
    let cases = cases().await;
    for zone in ["Europe/Prague", "UTC"] {
        let Some(mut browser) = browser(zone) else {
            return;
        };
        for case in &cases {
            for look in [LIGHT, PHONE] {
                moved.extend(opened(&mut browser, case, look).0);
            }
        }
    }
    assert_eq!(moved, [""; 0], "{}", moved.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_there_within_a_fifth_of_a_second() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    let case = Case {
        name: "known",
        scene: PlanningContext::known().await,
        paths: &["/"],
    };
    opened(&mut browser, &case, LIGHT);
    let (_, mut paints) = opened(&mut browser, &case, LIGHT);
    paints.sort_by(f64::total_cmp);
    println!("first paints: {paints:?} ms");
    let median = paints[paints.len() / 2];
    assert!(median < FIRST_PAINT_WITHIN, "{paints:?}");
}
