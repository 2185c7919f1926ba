//! The suggestion in an error works when it is followed.

use super::tests::{at, bits, question, six};
use super::*;

#[test]
fn what_a_refusal_offers_does_when_it_is_asked_for() {
    let now = at("2026-11-28T10:20:30Z");
    let mut ranking = six();
    // Closed until after the night that the caller allows.
    ranking.avoid = vec![Span {
        from: now - HOUR,
        to: now + 30 * HOUR,
    }];
    for allow in ["", "00:00-04:00", "09:00-10:00"] {
        for within_seconds in [HOUR, 20 * HOUR, 29 * HOUR] {
            let asked = Question {
                within_seconds,
                ..question(allow, Tz::UTC)
            };
            let refused = asked.draw(&ranking, now, Chance::Fresh(bits(1)));
            let (NoTime::Closed { hours, .. } | NoTime::NotAllowed { hours }) =
                refused.unwrap_err();
            let hours = hours.unwrap();
            let wider = Question {
                within_seconds: Question::within(hours * HOUR).unwrap(),
                ..asked
            };
            assert!(wider.draw(&ranking, now, Chance::Fresh(bits(1))).is_ok());
            assert!(
                wider
                    .draw(&ranking, now + 60, Chance::Fresh(bits(1)))
                    .is_ok()
            );
        }
    }
    // Closed for longer than anyone may ask for.
    ranking.avoid[0].to = now + 70 * DAY;
    let never = question("", Tz::UTC).draw(&ranking, now, Chance::Fresh(1));
    let until = now + 70 * DAY;
    assert_eq!(never, Err(NoTime::Closed { until, hours: None }));
    let text = never.unwrap_err().to_string();
    assert!(!text.contains("would do"), "{text}");
}
