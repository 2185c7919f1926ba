//! Records of polls: what they store and what they forget.

use super::{Schedule, Tick};
use crate::client::fate::Fate;
use crate::client::schedule::record::Polls;
use crate::time::{DAY, HOUR, Timestamp};

/// A Saturday.
const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

/// The record after polls this many seconds after [`NOW`].
fn polled(at: impl IntoIterator<Item = i64>) -> Polls {
    at.into_iter().fold(Polls::default(), |polls, seconds| {
        polls.seen(NOW + seconds, 6 * HOUR)
    })
}

#[test]
fn a_flood_writes_nothing_and_time_does_not_go_back() {
    let first = polled([DAY]);
    assert!(first.is_polled());
    for seconds in [DAY, DAY + 1, DAY + 479, DAY - HOUR] {
        assert_eq!(first.seen(NOW + seconds, 6 * HOUR), first, "{seconds}");
    }
    assert_ne!(first.seen(NOW + DAY + 480, 6 * HOUR), first);
    assert_eq!(first.last(), Some(NOW + DAY));
}

#[test]
fn it_stays_below_two_to_the_62_and_is_read_back() {
    let mut polls = Polls::default();
    for n in 0..100_000 {
        polls = polls.seen(NOW + n * n % 50_000 + n * 20_000, 6 * HOUR);
        assert!(polls.packed() < 1 << 62);
        assert_eq!(Polls::from_packed(polls.packed()), polls);
        let judged = polls.judged(Fate::Broken);
        assert_eq!(judged.fate(), Fate::Broken);
        assert_eq!(judged.judged(Fate::NotYet), polls);
    }
    // A clock before 2020 or after 2083 must not cause a failure.
    assert!(Polls::default().seen(Timestamp::MIN, 60).is_polled());
    assert!(Polls::default().seen(Timestamp::MAX, 60).packed() < 1 << 62);
}

#[test]
fn a_crontab_that_moves_is_followed() {
    let before = polled((0..10).map(|day| day * DAY + 14 * HOUR));
    let tick = |polls: Polls| polls.schedule().tick().map(Tick::second_of_day);
    assert_eq!(tick(before), Some(14 * HOUR));
    let after = (10..14).fold(before, |polls, day| {
        polls.seen(NOW + day * DAY + 3 * HOUR + 600, 6 * HOUR)
    });
    assert!(matches!(after.schedule(), Schedule::Daily { .. }));
    assert_eq!(tick(after), Some(3 * HOUR + 600));
}

#[test]
fn a_stranger_does_not_change_a_rhythm() {
    let mut polls = polled((0..10).map(|day| day * DAY));
    let daily = polls.meaning();
    assert!(matches!(polls.schedule(), Schedule::Daily { .. }));
    for day in 10..40 {
        // Someone else polls at a random hour every third day.
        if day % 3 == 0 {
            polls = polls.seen(NOW + day * DAY - 20_000 - day * 997, 6 * HOUR);
        }
        assert!(!polls.meaning().differs(daily), "day {day}");
        polls = polls.seen(NOW + day * DAY, 6 * HOUR);
        assert!(!polls.meaning().differs(daily), "day {day}");
    }
}

#[test]
fn a_successor_inherits_the_rhythm_and_no_poll() {
    let polls = polled((0..5).map(|day| day * DAY)).judged(Fate::Kept);
    let inherited = polls.inherited();
    assert_eq!(inherited.schedule(), polls.schedule());
    assert!(!inherited.is_polled());
    assert_eq!(inherited.fate(), Fate::NotYet);
    let asked = inherited.seen(NOW + 9 * DAY + HOUR / 2, 6 * HOUR);
    assert!(asked.is_polled());
    assert_eq!(asked.schedule(), polls.schedule(), "one poll by hand");
}

#[test]
fn of_two_records_the_newer_counts_and_no_judgement_is_lost() {
    let old = polled((0..5).map(|day| day * DAY)).judged(Fate::Kept);
    let new = polled((0..60).map(|n| n * HOUR + 10 * DAY));
    for merged in [old.merged(new), new.merged(old)] {
        assert_eq!(merged.schedule(), new.schedule());
        assert_eq!(merged.last(), new.last());
        assert_eq!(merged.fate(), Fate::Kept);
    }
    // A process with one poll must not win over one with many.
    let one = polled([20 * DAY + 99]);
    for merged in [old.merged(one), one.merged(old)] {
        assert_eq!(merged.schedule(), old.schedule());
        assert_eq!(merged.last(), one.last());
    }
    assert_eq!(old.merged(Polls::default()), old);
    assert_eq!(old.merged(old.inherited()), old);
}

#[test]
fn a_meaning_changes_with_what_is_known_and_not_with_every_poll() {
    let mut noted = Polls::default().meaning();
    let mut changes = 0;
    let mut note = |polls: Polls| {
        if polls.meaning().differs(noted) {
            noted = polls.meaning();
            changes += 1;
        }
    };
    let mut polls = Polls::default();
    for day in 0..60 {
        // Around the boundary where two ticks count as different.
        polls = polls.seen(NOW + day * DAY + 1_700 + day * 83 % 200, 6 * HOUR);
        note(polls);
    }
    for day in 60..70 {
        polls = polls.seen(NOW + day * DAY + 5_000, 6 * HOUR);
        note(polls);
    }
    note(polls.judged(Fate::Kept));
    // Polled, daily, another tick, judged.
    assert_eq!(changes, 4);
}
