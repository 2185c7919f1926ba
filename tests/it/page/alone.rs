//! The page without a service, as a CDN has it: it leads to what is there alone, and time passes.

use super::*;
use crate::browser::PHONE;
use offpeak::domain::policy::note::Note;
use offpeak::domain::time::Span;

/// What the links that are shown lead to.
const LINKS: &str =
    "[...document.querySelectorAll('a[href]')].filter((link) => link.checkVisibility())
    .map((link) => link.getAttribute('href')).filter((href) => !href.startsWith('#'))";

#[tokio::test(flavor = "multi_thread")]
async fn every_link_leads_to_a_file_that_is_there() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::with_staging().await;
    let folder = scene.written();
    for path in ["index.html", "ca/example/index.html"] {
        let file = folder.path().join(path);
        for scripts in [true, false] {
            browser.allow_scripts(scripts);
            browser.open(&format!("file://{}", file.display()));
            if scripts {
                browser.until("document.querySelector('#status').textContent.includes('No service answers here')");
                let report = browser.evaluate("document.querySelector('#no-service').hidden");
                assert_eq!(report, false);
            }
            let links = browser.evaluate(LINKS);
            let links = links.as_array().unwrap();
            assert!(links.len() >= 5, "{links:?}");
            for link in links {
                let place = file.parent().unwrap().join(link.as_str().unwrap());
                let is_there = place.is_file() || place.join("index.html").is_file();
                assert!(is_there, "{path}: {link}");
            }
        }
    }
    // Where a service is known to be, its own parts are led to.
    let mut configured = config();
    configured.base_url = Some("https://ari.example.com".to_owned());
    let served = busy_server(configured, &[], |_| true).await;
    browser.allow_scripts(false);
    served.open(&mut browser, "/");
    let links = browser.evaluate(LINKS).to_string();
    for part in ["feed.atom", "openapi.yaml", "directory", "report/2026-W47/"] {
        let link = format!("\"https://ari.example.com/{part}\"");
        assert!(links.contains(&link), "{links}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_is_announced_until_it_begins() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::known().await;
    let ahead = json!({"kind": "maintenance", "ca": "example", "name": "New disks",
        "from": NOW + HOUR, "to": NOW + 3 * HOUR});
    scene.open_incident(ahead).await;
    let folder = scene.written();
    let file = format!("file://{}", folder.path().join("index.html").display());
    let report = "[document.querySelector('.incident').className, document.querySelector('.state').textContent]";
    for (minutes, want) in [(0, "announced"), (59, "announced"), (61, "open")] {
        browser.set_clock((NOW + minutes * 60).unix(), "UTC");
        browser.open(&file);
        let shown = browser.evaluate(report);
        assert_eq!(
            shown,
            json!([format!("incident {want}"), want]),
            "{minutes}"
        );
    }
    // As the service tells it.
    browser.set_clock(NOW.unix(), "UTC");
    scene.open(&mut browser, "/");
    browser.until("document.querySelector('#served').hidden === false");
    assert_eq!(
        browser.evaluate(report),
        json!(["incident announced", "announced"])
    );
    let report = scene.server.get("/feed.atom").await.text().await.unwrap();
    assert!(
        report.contains("maintenance of example, announced, from "),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_word_of_the_operator_s_breaks_on_a_phone() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let long = format!("https://status.example.com/{}", "a".repeat(200));
    let mut configured = config();
    configured.cas[0].notes.push(Note {
        span: Span {
            from: NOW - HOUR,
            to: NOW + HOUR,
        },
        text: format!("see {long}"),
    });
    let scene = busy_server(configured, &["example"], |_| true).await;
    let outage = json!({"kind": "outage", "ca": "example", "name": "b".repeat(90), "from": NOW - HOUR,
        "note": format!("see {long}")});
    scene.open_incident(outage).await;
    browser.look(PHONE);
    scene.open(&mut browser, "/ca/example/");
    browser.picture("long-word-phone");
    assert!(browser.text("body").contains(&long));
    let wide = browser.evaluate("document.documentElement.scrollWidth");
    assert_eq!(wide, 320);
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_hours_are_shown_in_the_reader_s_zone_whatever_the_hour() {
    let Some(mut browser) = browser("Asia/Kolkata") else {
        return;
    };
    let scene = PlanningContext::known().await;
    for hours in 0..24 {
        browser.set_clock((NOW + hours * HOUR + 1_800).unix(), "Asia/Kolkata");
        scene.open(&mut browser, "/");
        let sentence = browser.text("#sentence-here");
        let avoid = sentence.split("; avoid ").nth(1).unwrap_or_default();
        // Half an hour beside those of UTC.
        let report = avoid.contains(":30 to ") && avoid.ends_with("on your clock.");
        assert!(report, "{hours}: {sentence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_minutes_of_the_hour_are_drawn_where_slots_are_shorter() {
    let mut quarters = config();
    quarters.cas[0].slot_seconds = HOUR / 4;
    for (configured, count) in [(quarters, 1), (config(), 0)] {
        let scene = busy_server(configured, &[], |_| true).await;
        // Eight days by the minute: four times as many come at the full hour.
        let lines: Vec<String> = (0..8 * 1_440)
            .map(|ago| NOW - 60 - ago * 60)
            .map(|at| {
                let count = if at.unix() % HOUR == 0 { 40 } else { 10 };
                json!({"at": at, "kind": "attempt", "count": count, "ca": "example"}).to_string()
            })
            .collect();
        let report = scene.server.as_admin(Method::POST, "/v1/observations");
        let report = report
            .header("content-type", "application/x-ndjson")
            .body(lines.join("\n"));
        assert_eq!(report.send().await.unwrap().status(), StatusCode::OK);
        scene.server.engine.publish().await.unwrap();
        let page = String::from_utf8(scene.document("index.html").to_vec()).unwrap();
        assert_eq!(page.matches("The minutes of the hour").count(), count);
        let busiest = "The busiest is :00, with 3.8 times the mean of its hour";
        assert_eq!(page.contains(busiest), count == 1);
        if let (1, Some(mut browser)) = (count, browser("UTC")) {
            browser.look(PHONE);
            scene.open(&mut browser, "/");
            browser.picture("minutes-phone");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_it_is_stale_stands_above_all_else() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::in_an_outage(NOW).await;
    let folder = scene.written();
    browser.set_clock((NOW + 72 * HOUR).unix(), "UTC");
    browser.look(PHONE);
    browser.open(&format!(
        "file://{}",
        folder.path().join("index.html").display()
    ));
    let first = browser.evaluate("document.body.innerText.trim().startsWith('Stale: ')");
    assert_eq!(first, true);
    browser.picture("stale-outage-phone");
}
