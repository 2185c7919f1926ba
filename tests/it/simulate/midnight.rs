//! The seconds around midnight: what holding and turning away bring, and what they cannot.

use std::sync::LazyLock;

use offpeak::simulate::midnight::{self, Outcome, Rule, RuleOutcome};
use offpeak::simulate::scenario::{Scenario, shipped};

/// A twentieth of the volume: as many clients for each order that the CA bears, in a twentieth of the time.
static SMALL: LazyLock<Outcome> = LazyLock::new(|| {
    let text = shipped("realistic").unwrap().text;
    let files = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let mut scenario = Scenario::parse("realistic", text, &files).unwrap();
    scenario.certificates_per_hour /= 20.0;
    midnight::run(&scenario, &mut |_| {})
});

fn of(rule: Rule) -> &'static RuleOutcome {
    SMALL.rules.iter().find(|other| other.rule == rule).unwrap()
}

#[test]
fn the_ca_never_sees_more_than_it_bears_behind_the_gateway() {
    let capacity = SMALL.capacity.ceil();
    for rule in [Rule::Hold, Rule::Offpeak] {
        let seen = of(rule);
        assert!(
            f64::from(seen.worst_second) <= capacity,
            "{}",
            seen.worst_second
        );
        assert!(f64::from(seen.worst_minute) <= 60.0 * SMALL.capacity);
    }
    assert!(f64::from(of(Rule::None).worst_second) > 1_000.0 * SMALL.capacity);
}

#[test]
fn holding_reaches_clients_that_a_503_does_not_and_the_ledger_reaches_more() {
    let failed = |rule| of(rule).failed;
    assert!(failed(Rule::Hold) < failed(Rule::Fixed));
    assert!(3 * failed(Rule::Offpeak) < failed(Rule::Fixed));
    assert!(3 * failed(Rule::Offpeak) < failed(Rule::None));
    assert!(
        f64::from(failed(Rule::Offpeak)) > SMALL.floor,
        "nobody can do better than that"
    );
    assert_eq!(of(Rule::Offpeak).waiting, 0);
    assert!(of(Rule::Offpeak).tomorrow < of(Rule::None).tomorrow);
}

#[test]
fn nobody_is_held_for_longer_than_it_waits() {
    assert!(of(Rule::Hold).longest_held_seconds <= 20.0);
    assert!(of(Rule::Offpeak).longest_held_seconds <= 900.0);
    let honour = [
        "acme.sh",
        "uacme",
        "RFC step 5",
        "caddy",
        "cert-manager",
        "mod_md",
    ];
    for (name, failed) in &of(Rule::Offpeak).failed_by_kind {
        assert!(!honour.contains(&name.as_str()), "{name}: {failed}");
    }
}

#[test]
fn the_same_clients_come_under_each_rule() {
    let clients: Vec<u32> = SMALL.rules.iter().map(|rule| rule.clients).collect();
    assert!(
        clients
            .iter()
            .all(|count| *count == clients[0] && *count > 3_000),
        "{clients:?}"
    );
}
