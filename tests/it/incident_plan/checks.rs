//! What makes an incident.

use offpeak::domain::moves::incident::{Incident, Kind};
use offpeak::domain::time::{DAY, HOUR};

use super::life::{outage, works};
use super::{OPENED, at, revocation};

/// The field that is named as wrong; "" where nothing is.
fn wrong(incident: &Incident) -> String {
    match incident.validate(at(OPENED)) {
        Ok(()) => String::new(),
        Err(invalid) => {
            assert!(
                invalid
                    .to_string()
                    .starts_with(&format!("{}: ", invalid.field)),
                "{invalid}"
            );
            invalid.field.to_owned()
        }
    }
}

/// Each incident with the field that is named as wrong; "" where nothing is.
fn judged(cases: &[(Incident, &str)]) {
    for (incident, field) in cases {
        assert_eq!(wrong(incident), *field, "{incident:?}");
    }
}

#[test]
fn what_is_wrong_with_a_deadline_is_named_by_its_field() {
    let now = at(OPENED);
    let day = |budget| revocation(24, Some(budget));
    judged(&[
        (revocation(24, None), ""),
        (day(100.0), ""),
        (
            Incident {
                kind: Kind::Drill,
                ..revocation(24, None)
            },
            "",
        ),
        (
            Incident {
                renew_by: None,
                ..revocation(24, None)
            },
            "renewBy",
        ),
        (revocation(0, None), "renewBy"),
        (revocation(24 * 91, None), "renewBy"),
        (
            Incident {
                from: Some(now),
                ..revocation(24, None)
            },
            "from",
        ),
        (
            Incident {
                cron: Some("* * * * *".to_owned()),
                ..revocation(24, None)
            },
            "cron",
        ),
        (day(0.0), "budgetPerHour"),
        (day(-1.0), "budgetPerHour"),
        (day(f64::NAN), "budgetPerHour"),
        (day(f64::INFINITY), "budgetPerHour"),
        (
            Incident {
                name: " ".to_owned(),
                ..revocation(24, None)
            },
            "name",
        ),
        (
            Incident {
                name: "x".repeat(201),
                ..revocation(24, None)
            },
            "name",
        ),
        (
            Incident {
                note: Some("x".repeat(10_001)),
                ..revocation(24, None)
            },
            "note",
        ),
    ]);
}

#[test]
fn what_is_wrong_with_an_outage_is_named_by_its_field() {
    let now = at(OPENED);
    judged(&[
        (outage(), ""),
        (
            Incident {
                from: None,
                ..outage()
            },
            "from",
        ),
        (
            Incident {
                to: outage().from,
                ..outage()
            },
            "to",
        ),
        (
            Incident {
                estimated_end: outage().from,
                ..outage()
            },
            "estimatedEnd",
        ),
        (
            Incident {
                urgent: true,
                ..outage()
            },
            "urgent",
        ),
        (
            Incident {
                renew_by: Some(now + DAY),
                ..outage()
            },
            "renewBy",
        ),
    ]);
}

#[test]
fn what_is_wrong_with_a_maintenance_is_named_by_its_field() {
    let now = at(OPENED);
    let long_works = |seconds: i64| Incident {
        to: Some(now + DAY + seconds),
        ..works()
    };
    let nightly = |cron: &str, zone: &str| Incident {
        cron: Some(cron.to_owned()),
        time_zone: Some(zone.to_owned()),
        ..works()
    };
    judged(&[
        (works(), ""),
        (long_works(0), "to"),
        (long_works(32 * DAY), "to"),
        (
            Incident {
                from: None,
                ..works()
            },
            "from",
        ),
        (
            Incident {
                to: None,
                ..works()
            },
            "to",
        ),
        (
            Incident {
                from: Some(now - 2 * HOUR),
                to: Some(now - HOUR),
                ..works()
            },
            "to",
        ),
        (
            Incident {
                over_budget: true,
                ..works()
            },
            "overBudget",
        ),
        (
            Incident {
                time_zone: Some("UTC".to_owned()),
                ..works()
            },
            "timeZone",
        ),
        (nightly("0 3 * * *", "Europe/Prague"), ""),
        (nightly("0 3 * *", "Europe/Prague"), "cron"),
        (nightly("0 3 31 2 *", "Europe/Prague"), "cron"),
        (nightly("* 3 * * *", "Europe/Prague"), "cron"),
        (nightly("0 3 * * *", "Europe/Brno"), "timeZone"),
    ]);
}

#[test]
fn an_explanation_is_an_absolute_web_address() {
    let with = |url: &str| Incident {
        explanation_url: Some(url.to_owned()),
        ..revocation(24, None)
    };
    for url in [
        "https://ca.example/incident",
        "http://ca.example",
        "HTTPS://ca.example:8443/a?b=c#d",
        "https://[2001:db8::1]:443/a%20b",
        "https://status@ca.example/",
    ] {
        assert_eq!(wrong(&with(url)), "", "{url}");
    }
    for url in [
        "",
        "ca.example",
        "/incident",
        "ftp://ca.example/",
        "https://",
        "https:///a",
        "https://:443/",
        "https://ca.example/a b",
        "https://ca.example/\u{e9}",
        "https://ca.example/%2",
        "https://ca.example/%zz",
        "https://ca.example:x/",
        "https://2001:db8::1/",
        "javascript:alert(1)",
        "https://ca.example/<a>",
    ] {
        assert_eq!(wrong(&with(url)), "explanationURL", "{url}");
    }
    assert_eq!(
        wrong(&with(&format!("https://ca.example/{}", "a".repeat(2_000)))),
        "explanationURL"
    );
}
