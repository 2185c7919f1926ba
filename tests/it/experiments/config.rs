//! What configuration files say of them.

use offpeak::config::Config;
use offpeak::domain::policy::ca::Rebalancing;
use offpeak::domain::time::{DAY, HOUR, MINUTE};

fn one_ca(lines: &str) -> String {
    format!("[[ca]]\nname = \"x\"\n{lines}")
}

#[test]
fn a_shadow_is_the_ca_s_policy_but_for_what_it_names() {
    let config = Config::parse(&one_ca(
        r#"
        follow_prior = 0.4
        control_share = 0.05
        rebalance = "auto"
        [[ca.capacity]]
        cron = "0 1 * * *"
        duration = "1h"
        capacity = 0
        [[ca.shadow]]
        max_extra = 0.02
        slot_minutes = 30
        [[ca.shadow.band]]
        end = "1/2"
        length = "min(12h, 0.15)"
        "#,
    ))
    .unwrap();
    let ca = &config.cas[0];
    assert!((ca.control_share - 0.05).abs() < 1e-12);
    assert_eq!(ca.rebalance, Rebalancing::Auto);
    let shadow = ca.shadow.as_ref().unwrap();
    assert_eq!(shadow.slot_seconds, 30 * MINUTE);
    assert_eq!(shadow.bands[0].length_seconds, 12 * HOUR);
    assert!((shadow.follow_prior - 0.4).abs() < 1e-12);
    assert!((shadow.max_extra - 0.02).abs() < 1e-12 && (ca.max_extra - 0.05).abs() < 1e-12);
    assert_eq!(shadow.capacity, ca.capacity);
    assert_eq!((ca.slot_seconds, ca.bands[0].length_seconds), (HOUR, DAY));
}

#[test]
fn faults_are_named_by_line_and_key() {
    #[rustfmt::skip]
    let cases = [
        ("max_extra = 5", 3, "ca[0].max_extra", "5 is not between 0 and 1"),
        ("control_share = 0.51", 3, "ca[0].control_share", "0.51 is not between 0 and 0.5"),
        ("rebalance = \"on\"", 3, "ca[0].rebalance", "neither \"auto\" nor \"manual\""),
        ("[ca.shadow]\nslot_minutes = 30", 3, "ca[0].shadow", "write [[ca.shadow]]"),
        ("[[ca.shadow]]\nslot_minutes = 7", 4, "ca[0].shadow[0].slot_minutes", "is none of"),
        ("[[ca.shadow]]\nissuers = []", 4, "ca[0].shadow[0].issuers", "there is no such key"),
        ("[[ca.shadow]]\n[[ca.shadow]]", 4, "ca[0].shadow[1]", "is a second shadow policy"),
        ("[[ca.shadow]]\n[[ca.shadow.band]]\nlength = \"1h\"", 4, "ca[0].shadow[0].band[0].end", "is missing"),
        ("[[ca.shadow]]\n[[ca.shadow.capacity]]\ncapacity = 0", 4, "ca[0].shadow[0].capacity[0]", "says not when"),
    ];
    for (lines, line, key, reason) in cases {
        let found = Config::parse(&one_ca(lines)).expect_err(lines);
        let said = format!("{found:?}");
        let matches = |error: &offpeak::config::ConfigError| {
            let text = error.to_string();
            text.contains(key) && text.contains(reason) && error.line == line
        };
        assert!(found.iter().any(matches), "{lines}: {said}");
    }
}

#[test]
fn a_control_group_changes_the_policy_and_a_shadow_does_not() {
    let digest = |lines: &str| Config::parse(&one_ca(lines)).unwrap().policy_digest();
    assert_ne!(digest("control_share = 0.1"), digest(""));
    assert_eq!(digest("[[ca.shadow]]\nslot_minutes = 30"), digest(""));
    assert_eq!(digest("rebalance = \"auto\""), digest(""));
}
