//! What makes an incident, and what becomes of it.

use offpeak::domain::moves::incident::{Incident, Kind, NotAllowed, State};
use offpeak::domain::time::{DAY, HOUR, Span};

use super::{OPENED, at, incident, long, revocation};

pub(super) fn outage() -> Incident {
    Incident {
        from: Some(at(OPENED) - HOUR),
        ..incident(Kind::Outage)
    }
}

pub(super) fn works() -> Incident {
    Incident {
        from: Some(at(OPENED) + DAY),
        to: Some(at(OPENED) + DAY + HOUR),
        ..incident(Kind::Maintenance)
    }
}

fn steps(incident: &Incident) -> Vec<&str> {
    incident
        .steps
        .iter()
        .map(|step| step.what.as_str())
        .collect()
}

#[test]
fn an_outage_is_partly_back_with_a_note() {
    let mut outage = outage();
    let now = at(OPENED);
    outage.advance(State::Open, now).unwrap();
    let words = "back for subscribers with preexisting authorizations";
    let noted = Incident {
        note: Some(words.to_owned()),
        ..outage.clone()
    };
    assert_eq!(outage.allows_edit(&noted), Ok(()));
    outage = noted;
    outage.advance(State::Partial, now + HOUR).unwrap();
    assert_eq!(
        (outage.state, outage.updated_at),
        (State::Partial, now + HOUR)
    );
    assert!(outage.is_active() && outage.to.is_none());
    assert_eq!(steps(&outage)[1], format!("partly back: {words}"));
    // Its windows are still kept out of the way.
    assert_eq!(outage.closes().len(), 1);

    outage.note = None;
    outage.advance(State::Open, now + 2 * HOUR).unwrap();
    outage.advance(State::Partial, now + 3 * HOUR).unwrap();
    outage.advance(State::Closed, now + 4 * HOUR).unwrap();
    assert_eq!(steps(&outage)[2..], ["down again", "partly back", "closed"]);
    assert_eq!(
        (outage.opened_at, outage.closed_at),
        (Some(now), Some(now + 4 * HOUR))
    );
    assert_eq!(outage.to, Some(now + 4 * HOUR));
    assert_eq!(outage.closes(), []);
}

#[test]
fn steps_that_make_no_sense_change_nothing() {
    let now = at(OPENED);
    let refused = |mut incident: Incident, way: &[State], why: NotAllowed| {
        let (last, before) = way.split_last().unwrap();
        for state in before {
            incident.advance(*state, now).unwrap();
        }
        let kept = incident.clone();
        assert_eq!(incident.advance(*last, now + 1), Err(why), "{way:?}");
        assert_eq!(incident, kept);
    };
    refused(outage(), &[State::Partial], NotAllowed::NotOpen);
    refused(
        works(),
        &[State::Open, State::Partial],
        NotAllowed::NotPartial,
    );
    refused(
        outage(),
        &[State::Open, State::Draft],
        NotAllowed::DraftAgain,
    );
    for next in [State::Draft, State::Open, State::Partial] {
        refused(
            outage(),
            &[State::Open, State::Closed, next],
            NotAllowed::Closed,
        );
    }
    let mut dropped = outage();
    dropped.advance(State::Closed, now).unwrap();
    assert_eq!(steps(&dropped), ["closed, never opened"]);
    assert_eq!((dropped.to, dropped.opened_at), (None, None));
    // What it is already is no step.
    let mut same = dropped.clone();
    same.advance(State::Closed, now + HOUR).unwrap();
    assert_eq!(same, dropped);
}

#[test]
fn steps_are_bounded() {
    let mut outage = outage();
    for minute in 0..1_200 {
        outage.record(at(OPENED) + minute * 60, format!("edited {minute}"));
    }
    assert_eq!(outage.steps.len(), 1_000);
    assert_eq!(outage.steps[0].what, "edited 200");
}

#[test]
fn what_has_moved_windows_is_not_edited() {
    let now = at(OPENED);
    let draft = revocation(24, Some(5.0));
    let later = Incident {
        renew_by: Some(now + 30 * HOUR),
        ..draft.clone()
    };
    let other = Incident {
        ca: "other".parse().unwrap(),
        ..draft.clone()
    };
    assert_eq!(draft.allows_edit(&later), Ok(()));
    assert_eq!(draft.allows_edit(&other).unwrap_err().field, "ca");
    let mut open = draft;
    open.advance(State::Open, now).unwrap();
    assert_eq!(open.allows_edit(&later).unwrap_err().field, "renewBy");
    let report = Incident {
        explanation_url: Some("https://ca.example/".to_owned()),
        ..open.clone()
    };
    assert_eq!(open.allows_edit(&report), Ok(()));
    open.advance(State::Closed, now).unwrap();
    assert_eq!(
        open.allows_edit(&report).unwrap_err().field,
        "explanationURL"
    );
    let noted = Incident {
        note: Some("done".to_owned()),
        ..open.clone()
    };
    assert_eq!(open.allows_edit(&noted), Ok(()));

    let mut down = outage();
    down.advance(State::Open, now).unwrap();
    let over = Incident {
        to: Some(now + HOUR),
        ..down.clone()
    };
    assert_eq!(down.allows_edit(&over), Ok(()));
}

#[test]
fn an_incident_closes_the_ca_while_it_is_in_force() {
    let now = at(OPENED);
    let mut works = works();
    assert_eq!(works.closes(), []);
    works.advance(State::Open, now).unwrap();
    let [rule] = &works.closes()[..] else {
        panic!("one rule")
    };
    let week = Span {
        from: now,
        to: now + 7 * DAY,
    };
    assert_eq!(
        (rule.share, rule.spans_within(week)),
        (0.0, vec![long(now + DAY, HOUR)])
    );

    let nightly = Incident {
        cron: Some("0 3 * * *".to_owned()),
        time_zone: Some("Europe/Prague".to_owned()),
        ..works
    };
    let [rule] = &nightly.closes()[..] else {
        panic!("one rule")
    };
    let spans = rule.spans_within(long(at("2026-11-18T00:00:00Z"), 2 * DAY));
    assert_eq!(
        spans,
        [
            long(at("2026-11-18T02:00:00Z"), HOUR),
            long(at("2026-11-19T02:00:00Z"), HOUR)
        ]
    );

    let mut down = outage();
    down.advance(State::Open, now).unwrap();
    let [rule] = &down.closes()[..] else {
        panic!("one rule")
    };
    let guess = Span {
        from: now - HOUR,
        to: now + HOUR * 36 / 5,
    };
    assert_eq!(rule.spans_within(week), [guess]);
    let mut drill = revocation(24, None);
    drill.advance(State::Open, now).unwrap();
    assert_eq!(drill.closes(), []);
}
