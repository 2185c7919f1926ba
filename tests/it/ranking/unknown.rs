//! What is not known is said to be so, and nobody is sent by it.

use offpeak::domain::demand::profile::Evidence;

use super::*;

#[test]
fn unknown_is_null() {
    let document = parsed(&rank(
        None,
        &learn(&Series::default()),
        &policy("example"),
        &times(),
    ));
    for key in ["peak", "minutes", "dataFrom", "dataThrough"] {
        assert_eq!(document[key], Value::Null, "{key}");
    }
    assert_eq!(document["quietest"], json!([]));
    for slot in document["slots"].as_array().unwrap() {
        for key in ["coefficient", "rank", "index", "low", "high", "failureRate"] {
            assert_eq!(slot[key], Value::Null, "{key}");
        }
        assert_eq!(slot["insufficientData"], true);
    }
}

#[test]
fn an_unknown_slot_is_no_quiet_one() {
    // By day alone: what is known of it is busier than what is not counts as.
    let day = hourly(28, |from| if hour_of(from) < 8 { 0 } else { 1_000 });
    let mut known = learn(&day);
    for slot in &mut known.day[8..] {
        slot.evidence = Evidence::Insufficient;
        slot.coefficient = 0.0;
    }
    for slot in &mut known.day[..8] {
        slot.coefficient = 1.5;
    }
    let document = parsed(&rank(None, &known, &policy("example"), &times()));
    assert_eq!(ranks(&document), (1..=8).collect::<Vec<u64>>());
    assert_eq!(document["quietest"], json!(["00:00", "01:00", "02:00"]));
    assert_eq!(document["peak"]["start"], "00:00");
    for slot in &document["slots"].as_array().unwrap()[8..] {
        assert_eq!(slot["rank"], Value::Null);
    }
}

#[test]
fn where_nothing_is_known_every_open_hour_has_the_same_weight() {
    let nothing = learn(&Series::default());
    let mut closing = policy("closing");
    closing.capacity = vec![nightly("0 3 * * *", 120), nightly("50 0 * * *", 10)];
    for (policy, closed, open) in [
        (policy("example"), 0..0, 41_666..=41_667),
        // A part of an hour closed is no reason to send fewer into it.
        (closing, 3..5, 45_454..=45_455),
    ] {
        for (hour, weight) in millionths(&rank(None, &nothing, &policy, &times()))
            .into_iter()
            .enumerate()
        {
            if closed.contains(&hour) {
                assert_eq!(weight, 0, "{hour}");
            } else {
                assert!(open.contains(&weight), "{hour}: {weight}");
            }
        }
    }
}
