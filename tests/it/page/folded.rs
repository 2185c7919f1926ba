//! The table of the day where nobody would read it: folded, and there all the same.

use super::*;

/// What stands on the fold, whether it is open, and how many rows are in it.
const FOLD: &str = "(() => { const fold = document.querySelector('#fold'); return fold && [
    fold.querySelector('summary').innerText, fold.open, fold.querySelectorAll('#day tbody tr').length]; })()";

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_which_nothing_is_known_are_folded_and_no_rank_is_spoken_of() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let known = PlanningContext::known().await;
    known.open(&mut browser, "/");
    assert_eq!(browser.evaluate(FOLD), Value::Null);
    let advice = "Do not all use rank 1";
    assert!(browser.text("main").contains(advice));

    let scene = PlanningContext::unknown().await;
    scene.open(&mut browser, "/");
    assert_eq!(
        browser.evaluate(FOLD),
        json!(["The 24 slots of the day, all unknown", false, 24])
    );
    let text = browser.text("main");
    assert!(text.contains("any will do"), "{text}");
    assert!(!text.contains(advice), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_of_five_minute_slots_is_shown_by_whole_hours() {
    let Some(mut browser) = browser("UTC") else {
        return;
    };
    let mut config = config();
    config.cas[0].slot_seconds = 300;
    let scene = busy_server(config, &["example"], |_| true).await;
    scene.open(&mut browser, "/");
    let want = json!(["All 288 slots of 5 minutes", false, 288]);
    assert_eq!(browser.evaluate(FOLD), want);
    let sentence = browser.text("#sentence");
    let clocks: Vec<&str> = sentence
        .split([' ', ';', ',', '.'])
        .filter(|word| word.contains(':'))
        .collect();
    assert!(clocks.len() >= 2, "{sentence}");
    assert!(
        clocks.iter().all(|clock| clock.ends_with(":00")),
        "{sentence}"
    );
    // All of it can be opened by a key.
    browser.evaluate("document.querySelector('#fold summary').click()");
    assert!(browser.text("#day").contains("00:05"));
}
