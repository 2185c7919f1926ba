//! What incidents teach: nothing.

use offpeak::domain::demand::observation::Kind as Counted;
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::moves::incident::{Incident, Kind, State, learning_excluded};
use offpeak::domain::publication::ranking::{Times, rank};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};
use serde_json::Value;

use super::{at, incident, long, policy};
use crate::load::{NOW, line, one_oclock};

/// Four weeks of load with a peak at one, without any on the last sixteen days from 01:00 to 02:00.
fn with_outages(learnt: &[Incident]) -> Value {
    let mut series = Series::default();
    for hour in -28 * 24..0 {
        let from = at(NOW) + hour * HOUR;
        let down = hour >= -16 * 24 && from.second_of_day() == HOUR;
        series.add(&line(
            from,
            HOUR,
            Counted::Attempt,
            if down { 0 } else { one_oclock(from) },
        ));
    }
    let profile = Profile::learn(&series, at(NOW), HOUR, &learning_excluded(learnt));
    serde_json::from_slice(&rank(None, &profile, &policy(), &Times::new(at(NOW), DAY))).unwrap()
}

#[test]
fn the_hours_of_an_outage_do_not_improve_their_rank() {
    let outages: Vec<Incident> = (1..=16)
        .map(|day| {
            let from = at(NOW) - day * DAY + HOUR;
            let mut incident = Incident {
                from: Some(from),
                ..incident(Kind::Outage)
            };
            incident.advance(State::Open, from + 600).unwrap();
            incident.advance(State::Closed, from + HOUR).unwrap();
            incident
        })
        .collect();
    let one = |document: &Value| {
        let slot = &document["slots"][1];
        (
            slot["rank"].as_u64().unwrap(),
            slot["coefficient"].as_f64().unwrap(),
        )
    };
    let (rank, coefficient) = one(&with_outages(&outages));
    assert_eq!(rank, 24);
    assert!((coefficient - 2.37).abs() < 0.02, "{coefficient}");
    // Learnt from, they would have made the busiest hour look quieter.
    let (_, lower) = one(&with_outages(&[]));
    assert!(lower < coefficient - 0.1, "{lower}, {coefficient}");
}

#[test]
fn hours_excluded_from_learning_depend_on_the_kind() {
    let now = at(NOW);
    let opened = |mut incident: Incident| {
        incident.advance(State::Open, now).unwrap();
        incident
    };
    let drill = Incident {
        renew_by: Some(now + DAY),
        ..incident(Kind::Drill)
    };
    let running = Incident {
        from: Some(now + 30 * HOUR),
        ..incident(Kind::Outage)
    };
    let works = Incident {
        from: Some(now + 23 * HOUR),
        to: Some(now + 26 * HOUR),
        ..incident(Kind::Maintenance)
    };
    assert_eq!(
        learning_excluded(&[drill.clone(), running.clone(), works.clone()]),
        []
    );
    let all = [opened(running), opened(works), opened(drill)];
    assert_eq!(
        learning_excluded(&all),
        [
            long(now, 26 * HOUR),
            Span {
                from: now + 30 * HOUR,
                to: Timestamp::MAX
            }
        ]
    );
    let mut over = all[0].clone();
    over.advance(State::Closed, now + 32 * HOUR).unwrap();
    assert_eq!(
        learning_excluded(&[over]),
        [long(now + 30 * HOUR, 3 * HOUR)]
    );
    let nightly = Incident {
        from: Some(now),
        to: Some(now + HOUR),
        cron: Some("0 3 * * *".to_owned()),
        ..incident(Kind::Maintenance)
    };
    let mut nightly = opened(nightly);
    nightly.advance(State::Closed, now + 2 * DAY).unwrap();
    assert_eq!(
        learning_excluded(&[nightly]),
        [long(now + 3 * HOUR, HOUR), long(now + DAY + 3 * HOUR, HOUR)]
    );
}
