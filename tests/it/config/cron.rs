//! What is said of a cron pattern that is none.

use super::*;

#[test]
fn the_field_at_fault_is_named() {
    for (pattern, want) in [
        ("60 0 * * *", "the minute cannot be \"60\": "),
        ("0 25 * * *", "the hour cannot be \"25\": "),
        ("0 0 32 * *", "the day of month cannot be \"32\": "),
        ("0 0 * JUNE *", "the month cannot be \"JUNE\": "),
        ("0 0 * * 9", "the day of week cannot be \"9\": "),
        ("0 25 * 13 *", "the hour cannot be \"25\": "),
        (
            "0 0 * *",
            "it has 4 of minute, hour, day of month, month, day of week",
        ),
        (
            "",
            "it has 0 of minute, hour, day of month, month, day of week",
        ),
    ] {
        let rule =
            format!("[[ca.capacity]]\ncron = {pattern:?}\nduration = \"1h\"\ncapacity = 0\n");
        let [error] = &errors(&one_ca(&rule))[..] else {
            panic!("one error: {pattern}");
        };
        assert_eq!((error.line, &*error.key), (4, "ca[0].capacity[0].cron"));
        assert!(error.reason.contains(want), "{pattern}: {}", error.reason);
    }
}
