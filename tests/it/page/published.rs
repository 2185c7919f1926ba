//! The page's bytes: made with the ranking, the same from everywhere, small, and held by their policy.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::browser::{LIGHT, PRINT};
use crate::process::offpeak;
use crate::tools::run;

#[tokio::test]
async fn the_same_page_is_served_and_written_beside_the_ranking() {
    let scene = PlanningContext::two_cas().await;
    let folder = scene.written();
    for (path, file) in [
        ("/", "index.html"),
        ("/ca/example/", "ca/example/index.html"),
        ("/ca/other/", "ca/other/index.html"),
    ] {
        let answer = scene.server.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
        let served = answer.bytes().await.unwrap();
        assert!(
            served[..] == *std::fs::read(folder.path().join(file)).unwrap(),
            "{path}"
        );
        assert!(served[..] == *scene.document(file), "{path}");
    }
    // Without another publication there is no other page.
    let again = scene.server.get("/").await.bytes().await.unwrap();
    assert!(again[..] == *scene.document("index.html"));
}

#[tokio::test]
async fn the_page_holds_its_own_policy_and_every_part_has_its_hash() {
    let mut configured = config();
    configured.base_url = Some("https://ari.example.com/x".to_owned());
    let scene = busy_server(configured, &["example"], |_| true).await;
    let answer = scene.server.get("/").await;
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("connect-src 'self' https://ari.example.com; frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = answer.text().await.unwrap();
    // From a file server without headers of its own, it holds by its own text.
    let (own, _) = policy.rsplit_once("; frame-ancestors").unwrap();
    assert!(page.contains(&format!("content=\"{own}\"")), "{own}");
    for begin in ["<script>", "<style>"] {
        for part in page.split(begin).skip(1) {
            let part = part.split("</").next().unwrap();
            let hash = STANDARD.encode(Sha256::digest(part));
            assert!(
                own.contains(&format!("'sha256-{hash}'")),
                "{begin} {part:.60}"
            );
        }
    }
    for attribute in [" style=", " onclick=", " onload=", "javascript:"] {
        assert!(!page.contains(attribute), "{attribute}");
    }
}

#[tokio::test]
async fn the_page_with_its_data_is_below_60_kb_compressed() {
    let scene = PlanningContext::known().await;
    for coding in ["gzip", "br", "zstd"] {
        let asked = scene
            .server
            .ask(Method::GET, "/")
            .header("accept-encoding", coding);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], coding);
        let size = answer.bytes().await.unwrap().len();
        println!("the page in {coding}: {size} octets");
        assert!(size < 60_000, "{coding}: {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_the_page_shows_the_numbers_of_the_ranking() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let scene = PlanningContext::with_a_gap().await;
    let ranking = scene.ranking().await;
    browser.look(LIGHT);
    browser.allow_scripts(false);
    scene.open(&mut browser, "/");
    browser.picture("gap-without-script");
    browser.look(PRINT);
    browser.picture("gap-print");
    let sentence = browser.text("#sentence");
    assert!(
        sentence.starts_with("Quietest each day from "),
        "{sentence}"
    );
    assert!(sentence.contains("avoid 00:00 to "), "{sentence}");
    let cells = browser.evaluate(
        "[...document.querySelectorAll('#map td')].map((cell) => cell.querySelector('data')?.value ?? cell.className)",
    );
    let week = ranking["week"].as_array().unwrap();
    assert_eq!(cells.as_array().unwrap().len(), 168);
    for (cell, slot) in cells.as_array().unwrap().iter().zip(week) {
        let cell = cell.as_str().unwrap();
        match slot["coefficient"].as_f64() {
            Some(load) => assert_eq!(cell.parse(), Ok(load)),
            None => assert_eq!(cell, "un", "{slot}"),
        }
    }
    let rows = browser.evaluate(
        "[...document.querySelectorAll('#day tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))",
    );
    let rows = rows.as_array().unwrap();
    let slots = ranking["slots"].as_array().unwrap();
    assert_eq!(rows.len(), 24);
    for slot in slots {
        let time = format!(
            "{}–{}",
            slot["start"].as_str().unwrap(),
            slot["end"].as_str().unwrap()
        );
        let row = rows.iter().find(|row| row[0] == time).unwrap();
        let shown = |number: &Value| {
            number
                .as_f64()
                .map_or_else(|| "unknown".to_owned(), |n| format!("{n:.3}"))
        };
        assert_eq!(row[2], shown(&slot["coefficient"]), "{row}");
        let rank = slot["rank"]
            .as_u64()
            .map_or_else(|| "unknown".to_owned(), |rank| rank.to_string());
        assert_eq!(row[1], rank, "{row}");
        let sure = match (slot["low"].as_f64(), slot["high"].as_f64()) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => "unknown".to_owned(),
        };
        assert_eq!(row[4], sure, "{row}");
    }
    // The quietest first.
    assert_eq!((&rows[0][1], &rows[1][1]), (&json!("1"), &json!("2")));
    assert!(
        browser
            .text("body")
            .contains("3 of 24 have been observed too little")
    );
}

#[tokio::test]
async fn a_note_is_on_the_page() {
    let text = r#"
        [[ca]]
        name = "example"
        [[note]]
        ca = "example"
        from = 2026-11-20T00:00:00Z
        to = 2026-11-22T00:00:00Z
        text = "new validators since <today>"
        [[note]]
        from = 2026-11-01T00:00:00Z
        to = 2026-11-02T00:00:00Z
        text = "over"
    "#;
    let database = fresh_sqlite();
    let server = TestServer::on(&database.url(), Config::parse(text).unwrap()).await;
    server.engine.publish().await.unwrap();
    for path in ["/", "/ca/example/"] {
        let page = server.get(path).await.text().await.unwrap();
        assert!(
            page.contains(": new validators since &#60;today&#62;</li>"),
            "{path}"
        );
        assert!(!page.contains(": over</li>"), "{path}");
    }
    let ranking: Value = server.get("/ranking.json").await.json().await.unwrap();
    assert_eq!(ranking["notes"][0]["text"], "new validators since <today>");
    assert_eq!(ranking["notes"][0]["to"], "2026-11-22T00:00:00Z");
}

/// The hours of spans such as `19:00 to 22:00 and 03:00 to 04:00`.
fn hours(spans: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for span in spans.replace(" and ", ", ").split(", ") {
        let (from, to) = span.split_once(" to ").unwrap();
        let [mut hour, to] = [from, to].map(|at| at[..2].parse::<usize>().unwrap());
        while hour != to {
            found.insert(hour);
            hour = (hour + 1) % 24;
        }
    }
    found
}

#[tokio::test]
async fn the_quietest_hours_are_the_lowest_and_page_and_terminal_name_the_same() {
    let scene = PlanningContext::known().await;
    let ranking = scene.ranking().await;
    let load = |hour: usize| ranking["slots"][hour]["coefficient"].as_f64().unwrap();
    // Of two that are alike the earlier.
    let mut lowest: Vec<usize> = (0..24).collect();
    lowest.sort_by(|a, b| load(*a).total_cmp(&load(*b)));
    assert!(load(lowest[0]) < load(lowest[3]), "they differ");
    let names: Vec<String> = lowest[..3]
        .iter()
        .map(|hour| format!("{hour:02}:00"))
        .collect();
    assert_eq!(ranking["quietest"], json!(names));

    let page = String::from_utf8(scene.document("index.html").to_vec()).unwrap();
    let sentence = page.split("<h1 id=\"sentence\">").nth(1).unwrap();
    let sentence = sentence.split("</h1>").next().unwrap();
    let words = sentence
        .replace("<span class=\"span\">", "")
        .replace("</span>", "");
    let spans = words.strip_prefix("Quietest each day from ").unwrap();
    let report = hours(spans.split(" UTC").next().unwrap());
    assert!(
        lowest[..3].iter().all(|hour| report.contains(hour)),
        "{words}"
    );
    // What it calls quiet is quieter than all that it does not.
    let as_many: BTreeSet<usize> = lowest[..report.len()].iter().copied().collect();
    assert_eq!(report, as_many, "{words}");

    let folder = scene.written();
    let terminal = tokio::task::spawn_blocking(move || {
        let file = folder.path().join("ranking.json");
        run(offpeak().arg("ranking").arg("--ranking").arg(file))
    });
    let terminal = terminal.await.unwrap();
    let want = format!("Quietest: {}", names.join(", "));
    assert!(terminal.contains(&want), "{want}: {terminal}");
}
