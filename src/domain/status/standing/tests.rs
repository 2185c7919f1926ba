use super::*;
use crate::demand::observation::{Kind as Counted, Observation, Source};
use crate::policy::ca::CaName;
use crate::time::HOUR;

/// 2025-07-21T18:35:00Z: when Let's Encrypt's API went down for eight hours.
const AWAY: Timestamp = Timestamp::from_unix(1_753_122_900);

/// Sixty attempts a minute from an hour before `AWAY` until `until`, of which `failed` fail.
fn series(until: Timestamp, failed: impl Fn(Timestamp) -> u64) -> Series {
    let mut series = Series::default();
    let mut at = AWAY - HOUR;
    while at < until {
        for (kind, count) in [(Counted::Attempt, 60), (Counted::Failed, failed(at))] {
            series.add(&Observation::plain(at, Source::Log, kind, count));
        }
        at = at + MINUTE;
    }
    series
}

fn standing(series: &Series, incidents: &[Incident], now: Timestamp) -> Standing {
    let evidence = Evidence {
        series,
        incidents,
        now,
    };
    let standing = evidence.standing(None);
    // The result of a minute before gives the same start.
    let before = Evidence {
        now: now - MINUTE,
        ..evidence
    }
    .standing(None);
    if before.status == standing.status {
        let again = evidence.standing(Some((now - MINUTE, &before)));
        assert_eq!(again.since, standing.since);
    }
    standing
}

#[test]
fn failures_make_it_degraded_then_down_and_silence_unknown() {
    let failed = |at: Timestamp| match at - AWAY {
        ..0 => 0,
        0..1_800 => 12,
        _ => 60,
    };
    let whole = series(AWAY + 2 * HOUR, failed);
    let at = |now| {
        let standing = standing(&whole, &[], now);
        (standing.status, standing.since)
    };
    // Before it began there had been no data for more than a quarter of an hour.
    assert_eq!(at(AWAY - 60), (Status::Ok, Some(AWAY - HOUR)));
    let degraded = at(AWAY + 1_500);
    assert_eq!(degraded.0, Status::Degraded);
    // Half of the attempts in the quarter of an hour must fail first.
    assert!(
        (AWAY..=AWAY + 900).contains(&degraded.1.unwrap()),
        "{degraded:?}"
    );
    let down = at(AWAY + HOUR);
    assert_eq!(down.0, Status::Down);
    assert!(
        (AWAY + 1_800..=AWAY + 2_700).contains(&down.1.unwrap()),
        "{down:?}"
    );
    let silent = at(AWAY + 3 * HOUR);
    assert_eq!(silent, (Status::Unknown, Some(AWAY + 2 * HOUR + 600)));
    let result = standing(&whole, &[], AWAY + 3 * HOUR);
    assert_eq!(result.data_through, Some(AWAY + 2 * HOUR));
}

#[test]
fn a_quiet_ca_with_reports_is_ok_and_after_a_week_has_no_begin() {
    let mut series = Series::default();
    for minute in 0..8 * 24 * 60 {
        let at = AWAY + minute * MINUTE;
        series.add(&Observation::plain(at, Source::Ca, Counted::Attempt, 0));
    }
    let standing = standing(&series, &[], AWAY + 8 * DAY - 1);
    assert_eq!((standing.status, standing.since), (Status::Ok, None));
    assert!(
        standing.reason.starts_with("it had no requests"),
        "{}",
        standing.reason
    );
}

#[test]
fn an_open_outage_has_it_down_since_its_second_and_a_part_of_it_degraded() {
    let whole = series(AWAY + HOUR, |_| 0);
    let mut outage = Incident::draft(Kind::Outage, CaName::default(), "away".to_owned(), AWAY);
    outage.from = Some(AWAY + 17);
    let now = AWAY + HOUR / 2;
    assert_eq!(
        standing(&whole, std::slice::from_ref(&outage), now).status,
        Status::Ok
    );
    outage.state = State::Open;
    let open = standing(&whole, std::slice::from_ref(&outage), now);
    assert_eq!((open.status, open.since), (Status::Down, Some(AWAY + 17)));
    assert_eq!(open.reason, "an outage is open: away");
    outage.state = State::Partial;
    assert_eq!(
        standing(&whole, std::slice::from_ref(&outage), now).status,
        Status::Degraded
    );
    outage.state = State::Closed;
    outage.to = Some(AWAY + 600);
    outage.closed_at = Some(AWAY + 900);
    let over = standing(&whole, &[outage], now);
    assert_eq!((over.status, over.since), (Status::Ok, Some(AWAY + 600)));
}
