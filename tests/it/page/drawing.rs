//! The times that the page gives: another for each reader, by the weights.

use std::collections::HashSet;
use std::process::Command;

use super::*;
use crate::tools::run;

#[tokio::test(flavor = "multi_thread")]
async fn no_two_readers_are_given_the_same_time() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    let scene = PlanningContext::known().await;
    scene.open(&mut browser, "/");
    let drawn = browser.evaluate(
        "Array.from({length: 2000}, () => { document.querySelector('#again').click();
            return document.querySelector('#cron').textContent; })",
    );
    let lines: Vec<&str> = drawn
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let times: HashSet<&&str> = lines.iter().collect();
    // Of 2,000 draws among 86,400 seconds some 40 meet by chance where the weights are uneven.
    assert!(times.len() > 1_850, "{}", times.len());
    let ranking = scene.ranking().await;
    let mut counts = [0.0; 24];
    for line in lines {
        let fields: Vec<&str> = line.split(' ').collect();
        assert_eq!(&fields[2..6], ["*", "*", "*", "sleep"], "{line}");
        counts[fields[1].parse::<usize>().unwrap()] += 1.0;
    }
    // χ² of 24 slots has 23 degrees of freedom: above 63 in one of 10^5 runs.
    let chi: f64 = ranking["slots"]
        .as_array()
        .unwrap()
        .iter()
        .zip(counts)
        .map(|(slot, count)| {
            let expected = slot["weight"].as_f64().unwrap() * 2_000.0;
            (count - expected) * (count - expected) / expected
        })
        .sum();
    assert!(chi < 63.0, "{chi}: {counts:?}");
    // By the clock of the machine that is chosen.
    let unit = browser.evaluate(
        "document.querySelector('#zone').value = 'Europe/Prague';
         document.querySelector('#zone').dispatchEvent(new Event('change'));
         document.querySelector('#timer').textContent",
    );
    let unit = unit.as_str().unwrap();
    let calendar = unit
        .split("OnCalendar=")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    assert!(calendar.ends_with(" Europe/Prague"), "{unit}");
    if let Some(analyze) = tool("OFFPEAK_TEST_SYSTEMD_ANALYZE") {
        run(Command::new(analyze).args(["calendar", calendar]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_of_the_page_draws_on_the_reader_s_machine() {
    let scene = PlanningContext::known().await;
    let page = String::from_utf8(scene.document("index.html").to_vec()).unwrap();
    let command = page.split("id=\"shell\"").nth(1).unwrap();
    let command = command
        .split_once('>')
        .unwrap()
        .1
        .split("</pre>")
        .next()
        .unwrap();
    let command = command
        .replace("&lt;", "<")
        .replace("https://ari.example.com", &scene.server.public);
    let mut hours = HashSet::new();
    for _ in 0..20 {
        let line = run(Command::new("sh").args(["-c", &command]));
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| fields[at].trim_end_matches(';').parse::<u32>().unwrap();
        assert!(number(0) < 60 && number(1) < 24 && number(6) < 60, "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        hours.insert(number(1));
    }
    assert!(hours.len() > 1, "{hours:?}");
}
