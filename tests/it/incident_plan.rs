//! The plans of incidents, on a clock that is an argument.

use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::hash::{HashKey, Purpose};
use offpeak::domain::certificate::{Cause, Validity};
use offpeak::domain::moves::incident::{Incident, Kind, Plan, Planner, PlanningContext, Refusal};
use offpeak::domain::policy::ca::CaPolicy;
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

use crate::load::at;

mod checks;
mod deadlines;
mod learning;
mod life;
mod maintenance;
mod million;
mod movers;
mod outages;
mod properties;

/// When incidents open here.
const OPENED: &str = "2026-11-17T09:00:00Z";

fn incident(kind: Kind) -> Incident {
    let ca = "example".parse().unwrap();
    Incident {
        id: 4,
        ..Incident::draft(kind, ca, "as the test says".to_owned(), at(OPENED))
    }
}

/// A revocation with so many hours to `renewBy`.
fn revocation(hours: i64, budget_per_hour: Option<f64>) -> Incident {
    Incident {
        renew_by: Some(at(OPENED) + hours * HOUR),
        budget_per_hour,
        ..incident(Kind::Revocation)
    }
}

fn policy() -> CaPolicy {
    CaPolicy::named("example".parse().unwrap())
}

fn closed_between(from: Timestamp, to: Timestamp) -> CapacityRule {
    CapacityRule {
        when: When::Once(Span { from, to }),
        share: 0.0,
        ceiling_per_hour: None,
        name: None,
    }
}

fn long(from: Timestamp, seconds: i64) -> Span {
    Span {
        from,
        to: from + seconds,
    }
}

/// The dates of a certificate of so many days that has a window of a quarter of an hour where its
/// life is two thirds over.
fn ninety_days(window: Span) -> Validity {
    let not_before = window.from - 59 * DAY;
    Validity {
        not_before,
        not_after: not_before + 90 * DAY - 1,
    }
}

/// The draw of the certificate with this number, as the incident salts it.
fn hash(number: u32) -> u128 {
    let id = CertId {
        key_identifier: KeyIdentifier::new(&[7; 20]).unwrap(),
        serial: Serial::new(&number.to_be_bytes()).unwrap(),
    };
    HashKey::new([7; 16]).hash(Purpose::Window1, &id, Cause::Incident(4).salt())
}

type Affected = (Validity, Span);

fn scene<'a>(
    incident: &'a Incident,
    policy: &'a CaPolicy,
    now: Timestamp,
    expected: &'a dyn Fn(Span) -> f64,
) -> PlanningContext<'a> {
    PlanningContext {
        incident,
        policy,
        now,
        model_version: "1-test",
        failing: &[],
        expected,
    }
}

fn planned(scene: &PlanningContext<'_>, affected: &[Affected]) -> Result<Plan, Refusal> {
    let mut planner = Planner::new();
    for (validity, window) in affected {
        planner.count(scene, *validity, *window);
    }
    planner.plan(scene)
}

/// So many an hour, always.
fn steady(per_hour: f64) -> impl Fn(Span) -> f64 {
    move |span| per_hour * seconds(span) / 3_600.0
}

fn seconds(span: Span) -> f64 {
    f64::from(i32::try_from(span.seconds()).unwrap())
}

/// A whole number of things as a real one.
fn real(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}

/// A window of a quarter of an hour in the week that begins ten days after the opening, another
/// for each number.
fn later(number: u32) -> Affected {
    let window = long(
        at(OPENED) + 10 * DAY + i64::from(number) * 7_919 % (7 * DAY),
        15 * MINUTE,
    );
    (ninety_days(window), window)
}
