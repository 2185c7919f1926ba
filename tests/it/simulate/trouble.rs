//! What befalls a CA: retries that aggregate, revocations, an outage.

use offpeak::domain::math::number::length;
use offpeak::domain::time::{DAY, Timestamp};
use offpeak::simulate::outcome::Outcome;
use offpeak::simulate::scenario::{Incident, Rule, Scenario};

use super::runs::{hours, note, peaks, rule, run, shortened};

/// The busiest hour of each of the first days.
fn daily_peaks(outcome: &Outcome, of: Rule, days: i64) -> Vec<f64> {
    let hours = &rule(outcome, of).load[..length(days * 24)];
    let busiest = |day: &[f64]| day.iter().copied().fold(0.0, f64::max) / outcome.mean;
    hours.chunks(24).map(busiest).collect()
}

#[test]
fn retries_pile_up_without_steering_and_die_out_with_it() {
    let outcome = run(&shortened("retries", &[Rule::None, Rule::Offpeak], 2, 150));
    // Each day's failures come on top of the next day's demand, until what comes is 1 / (1 - 0.4)
    // times that.
    let days = daily_peaks(&outcome, Rule::None, 4);
    assert!(days.is_sorted() && days[3] > 1.7 * days[0], "{days:?}");
    // It never ends: the demand's own peak is 2.37.
    let unsteered = peaks(rule(&outcome, Rule::None));
    assert!(
        unsteered.iter().all(|peak| *peak > 1.5 * 2.37),
        "{unsteered:?}"
    );
    // With steering it falls until nothing fails any more, which it does above 1.5.
    let steered = peaks(rule(&outcome, Rule::Offpeak));
    assert!(steered[0] < 0.5 * unsteered[0], "{steered:?}");
    assert!(steered[1] < steered[0] && steered[1] <= 1.25, "{steered:?}");
}

/// The scenario's incident, on another day of the run.
fn on_day(mut scenario: Scenario, day: i64) -> Scenario {
    let start = scenario.start;
    let moved = |at: Timestamp| start + day * DAY + at.second_of_day();
    for incident in &mut scenario.incidents {
        match incident {
            Incident::Outage { span, .. } => {
                let long = span.seconds();
                span.from = moved(span.from);
                span.to = span.from + long;
            }
            Incident::Revocation { at, renew_by, .. } => {
                let long = *renew_by - *at;
                *at = moved(*at);
                *renew_by = *at + long;
            }
        }
    }
    scenario
}

#[test]
fn a_revocation_keeps_its_budget_and_its_deadline_and_one_too_large_is_refused() {
    let names = ["revocation-30", "revocation-3"];
    // Until all have come back that live on that day: what it moves is a share of these.
    let [refused, revoked] =
        names.map(|name| on_day(shortened(name, &[Rule::Offpeak], 2, 122), 61));
    let opened = revoked.incidents[0].begins();
    let renew_by = opened + DAY;
    // The refused one changes nothing, or the other would not keep its budget.
    let both = Scenario {
        incidents: [refused.incidents, revoked.incidents].concat(),
        ..revoked
    };
    let calm = Scenario {
        incidents: Vec::new(),
        days: 68,
        ..both.clone()
    };
    let with = run(&both);
    let offpeak = rule(&with, Rule::Offpeak);
    let smallest = note(offpeak, "refused; the smallest budget").unwrap();
    assert!((23.0..29.0).contains(&smallest), "{smallest}");
    // Nine in ten listen, of 3 % of 60 days of 40,000 an hour.
    let moved = note(offpeak, "certificates whose windows").unwrap();
    let expected = 0.9 * 0.03 * 57_600_000.0;
    assert!(
        (moved / expected - 1.0).abs() < 0.02,
        "{moved}, not {expected}"
    );
    // Of both, which begin and end together.
    let busiest = note(offpeak, "busiest hour until renewBy").unwrap();
    let sigmas = note(offpeak, "busiest hour over the budget").unwrap();
    assert!(busiest > 2.0 && sigmas <= 4.0, "{busiest}, {sigmas} sigma");

    // Nobody is left for after the deadline: 3 % of all that listen come no more.
    let without = run(&calm);
    let sum = |outcome: &Outcome, from: Timestamp, to: Timestamp| -> f64 {
        hours(outcome, &outcome.rules[0], from, to).iter().sum()
    };
    let end = calm.span().to;
    let gone = 1.0 - sum(&with, renew_by, end) / sum(&without, renew_by, end);
    assert!((gone - 0.9 * 0.03).abs() < 0.000_5, "{gone}");
    let more = sum(&with, opened, renew_by) - sum(&without, opened, renew_by);
    assert!(more > 0.95 * moved && more < moved, "{more} of {moved}");
}

#[test]
fn after_an_outage_the_load_comes_back_gently() {
    let away = on_day(
        shortened("outage", &[Rule::Boulder, Rule::Offpeak], 1, 76),
        67,
    );
    let outcome = run(&away);
    let offpeak = rule(&outcome, Rule::Offpeak);
    let first_hour = note(offpeak, "first hour after the outage").unwrap();
    assert!(first_hour > 0.5 && first_hour <= 1.5, "{first_hour}");
    let busiest = note(offpeak, "busiest hour of the week after").unwrap();
    assert!(busiest > 1.0 && busiest <= 1.4, "{busiest}");
    let boulder = note(rule(&outcome, Rule::Boulder), "first hour after the outage").unwrap();
    assert!(boulder > 4.0, "{boulder}");
}
