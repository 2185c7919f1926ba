//! The pages for those who have no mouse, and for those whom motion makes ill.

use super::*;
use crate::browser::{DARK_PHONE, Key, LIGHT, Look, STILL};
use crate::server::ADMIN;

/// What can be operated or scrolled, in the order of the page, each with a number.
const CONTROLS: &str = "(() => {
    const all = document.querySelectorAll('a[href], button, select, textarea, input, summary, [tabindex=\"0\"]');
    window.controls = [...all].filter((one) => !one.disabled && one.checkVisibility({visibilityProperty: true}));
    return window.controls.length; })()";

/// Where the focus is: its number, whether its outline is drawn, and how far its colour stands out from the
/// paper, where 3 to 1 is the least (WCAG 2.2, 1.4.11).
const FOCUS: &str = "(() => {
    const at = document.activeElement;
    const style = getComputedStyle(at);
    const light = (colour) => { const canvas = new OffscreenCanvas(1, 1).getContext('2d');
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((of) => {
            const one = of / 255; return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const [dark, bright] = [light(style.outlineColor), light(getComputedStyle(document.body).backgroundColor)]
        .sort((a, b) => a - b);
    const box = at.getBoundingClientRect();
    return {number: window.controls.indexOf(at), is: at.id || at.outerHTML.slice(0, 80),
        outlined: at.matches(':focus-visible') && style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        contrast: (bright + 0.05) / (dark + 0.05),
        top: box.top + scrollY, bottom: box.bottom + scrollY}; })()";

/// Whether it is in sight.
const SEEN: &str = "(() => { const box = document.activeElement.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth; })()";

/// What moves by itself, or would: animations that run, and whatever has a duration.
const MOTION: &str = "[...document.getAnimations().map((one) => one.effect?.target?.outerHTML?.slice(0, 80) ?? 'animation'),
    ...[...document.querySelectorAll('*')].filter((one) => { const style = getComputedStyle(one);
        return style.transitionDuration.split(', ').some((of) => parseFloat(of) > 0) || style.animationName !== 'none'
            || style.scrollBehavior === 'smooth'; }).map((one) => one.outerHTML.slice(0, 80))]";

/// Goes through all of a page by Tab.
fn walk(browser: &mut Browser, name: &str) {
    // A browser that nobody looks at may leave a smooth scroll where it is.
    browser.evaluate("document.documentElement.style.scrollBehavior = 'auto'");
    let controls = browser.evaluate(CONTROLS).as_u64().unwrap();
    assert!(controls > 5, "{name}: {controls}");
    let mut above = 0.0;
    for number in 0..controls {
        browser.press(Key::Tab);
        let focus = browser.evaluate(FOCUS);
        assert_eq!(focus["number"], number, "{name}: {focus}");
        assert_eq!(focus["outlined"], true, "{name}: {focus}");
        assert!(
            focus["contrast"].as_f64().unwrap() >= 3.0,
            "{name}: {focus}"
        );
        browser.until(SEEN);
        // As it is read: never up again.
        let [top, bottom] = ["top", "bottom"].map(|of| focus[of].as_f64().unwrap());
        assert!(bottom > above, "{name}: {focus}");
        above = top;
    }
}

/// Moves the focus by Tab until it is on this element.
fn tab_to(browser: &mut Browser, selector: &str) {
    let there = format!("document.activeElement === document.querySelector({selector:?})");
    for _ in 0..100 {
        if browser.evaluate(&there) == true {
            return;
        }
        browser.press(Key::Tab);
    }
    panic!("no Tab leads to {selector}");
}

fn open(scene: &PlanningContext, browser: &mut Browser, path: &str, look: Look) {
    browser.look(look);
    scene.open(browser, path);
    browser.until("!/asking/i.test(document.querySelector('#status').textContent)");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_is_reached_by_tab_in_reading_order_and_shows_its_focus() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    browser.allow_clipboard();
    let (cas, unknown) = (
        PlanningContext::two_cas().await,
        PlanningContext::unknown().await,
    );
    for look in [LIGHT, DARK_PHONE] {
        // One with a choice of CAs, one with a table that is folded.
        for (name, scene) in [("two CAs", &cas), ("unknown", &unknown)] {
            open(scene, &mut browser, "/", look);
            walk(&mut browser, &format!("{name} {}", look.name));
        }
        browser.look(look);
        let admin = format!("{}/admin", cas.server.admin);
        browser.open(&admin);
        browser.evaluate(&format!(
            "sessionStorage.setItem('offpeak-admin-token', {ADMIN:?})"
        ));
        // It is read when the page comes up.
        browser.open(&admin);
        browser.until("document.querySelector('#shown')?.hidden === false");
        walk(&mut browser, &format!("admin {}", look.name));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_offers_works_by_keys_alone() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    browser.allow_clipboard();
    let scene = PlanningContext::known().await;
    open(&scene, &mut browser, "/", LIGHT);
    for (command, key) in [
        ("cron", Key::Enter),
        ("timer", Key::Space),
        ("curl", Key::Enter),
        ("shell", Key::Space),
        ("offpeak", Key::Enter),
    ] {
        browser.evaluate("document.querySelector('#copied').textContent = ''");
        tab_to(&mut browser, &format!("[data-copy={command}]"));
        browser.press(key);
        browser.until("document.querySelector('#copied').textContent === 'Copied.'");
        let kept = browser.evaluate("navigator.clipboard.readText()");
        let shown = format!("document.querySelector('#{command}').textContent");
        assert_eq!(kept, browser.evaluate(&shown), "{command}");
    }
    let cron = "document.querySelector('#cron').textContent";
    for key in [Key::Enter, Key::Space] {
        let before = browser.evaluate(cron);
        browser.evaluate(
            "document.querySelector('#h-do').scrollIntoView(), document.activeElement.blur()",
        );
        tab_to(&mut browser, "#again");
        browser.press(key);
        // Of 86,400 seconds the same may be drawn, once in many years of tests.
        assert_ne!(browser.evaluate(cron), before);
    }
    tab_to(&mut browser, "#zone");
    browser.press(Key::Down);
    let timer = browser.text("#timer");
    assert!(timer.contains("Europe/Prague"), "{timer}");
    tab_to(&mut browser, "#pem");
    browser.insert(&lookup::certificate(&[0x11, 0x22]));
    browser.until("document.querySelector('#certid') !== null");
    browser.until("document.querySelector('#found').innerText.includes('none:')");

    let unknown = PlanningContext::unknown().await;
    open(&unknown, &mut browser, "/", LIGHT);
    for (key, opened) in [(Key::Enter, true), (Key::Space, false)] {
        tab_to(&mut browser, "#fold summary");
        browser.press(key);
        let open = browser.evaluate("document.querySelector('#fold').open");
        assert_eq!(open, opened);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_for_those_who_want_it_still() {
    let Some(mut browser) = browser("Europe/Prague") else {
        return;
    };
    browser.allow_clipboard();
    let scene = PlanningContext::in_an_outage(NOW).await;
    // What moves for others is seen by this: the page scrolls smoothly where a link leads.
    open(&scene, &mut browser, "/", LIGHT);
    let smooth = browser.evaluate(MOTION);
    assert_eq!(smooth.as_array().unwrap().len(), 1, "{smooth}");
    open(&scene, &mut browser, "/", STILL);
    assert_eq!(browser.evaluate(MOTION), json!([]));
    tab_to(&mut browser, "#again");
    browser.press(Key::Enter);
    tab_to(&mut browser, "[data-copy=cron]");
    browser.press(Key::Enter);
    browser.until("document.querySelector('#copied').textContent !== ''");
    assert_eq!(browser.evaluate(MOTION), json!([]));
    browser.open(&format!("{}/admin", scene.server.admin));
    assert_eq!(browser.evaluate(MOTION), json!([]));
    let report = format!("{}/report/2026-W47/", scene.server.public);
    browser.open(&report);
    assert_eq!(browser.evaluate(MOTION), json!([]));
}
