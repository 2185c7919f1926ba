//! The next peak never comes: how level the load becomes, and that it stays so.

use offpeak::domain::math::number::{length, real_len};
use offpeak::domain::time::{DAY, HOUR};
use offpeak::simulate::outcome::Outcome;
use offpeak::simulate::scenario::{Rule, Scenario};

use super::runs::{peaks, run, shortened};

/// The second cycle, and the third until `days`.
fn levelled(name: &str, days: u32) -> Outcome {
    let outcome = run(&shortened(name, &[Rule::Offpeak], 2, days));
    let extra = outcome.rules[0].extra_issuance;
    assert!(extra <= 0.01, "{extra}");
    outcome
}

/// Each cycle's peak is at most so many times the floor.
fn assert_peaks(outcome: &Outcome, most: &[f64]) {
    let peaks = peaks(&outcome.rules[0]);
    assert_eq!(peaks.len(), most.len());
    for (peak, most) in peaks.iter().zip(most) {
        assert!(*peak <= most * outcome.floor, "{peaks:?}, not {most}");
        // Less than the mean nothing can be: then it would be the mean that is wrong.
        assert!(*peak >= 1.0, "{peaks:?}");
    }
}

#[test]
fn three_in_ten_followers_bring_the_load_to_its_floor() {
    let outcome = levelled("base-0.3", 150);
    // 70 % of a peak of 2.37.
    assert!((outcome.floor - 1.66).abs() < 0.03, "{}", outcome.floor);
    assert_peaks(&outcome, &[1.02, 1.02]);
}

#[test]
fn six_in_ten_followers_make_the_load_level() {
    let outcome = levelled("base-0.6", 150);
    assert_peaks(&outcome, &[1.06, 1.03]);
}

#[test]
fn nine_in_ten_followers_make_the_load_level() {
    let outcome = levelled("base-0.9", 176);
    assert_peaks(&outcome, &[1.03, 1.02]);
}

/// Nobody knows of them when the windows of these days are given: they come in their own shape on top
/// of a level load, (1 + 0.15 · 2.37) / 1.15.
#[test]
fn newcomers_stand_on_a_level_load_and_not_on_a_peak() {
    let outcome = run(&shortened("newcomers", &[Rule::Offpeak], 2, 150));
    let peaks = peaks(&outcome.rules[0]);
    let unforeseen = (1.0 + 0.15 * 2.37) / 1.15;
    assert!(peaks[0] <= 1.06 * unforeseen, "{peaks:?}");
    assert!(peaks[1] <= 1.07, "{peaks:?}");
}

#[test]
fn clients_that_return_an_hour_late_are_learned_of() {
    let scenario = shortened("late-return", &[Rule::Offpeak], 2, 165);
    let peaks = peaks(&run(&scenario).rules[0]);
    assert!(peaks[1] <= 1.03, "{peaks:?}");
}

#[test]
fn a_burst_s_echo_dies_down() {
    // It is on day 30, and comes back around the days 90, 150 and 211.
    let outcome = run(&shortened("burst", &[Rule::Offpeak], 3, 213));
    let peaks = peaks(&outcome.rules[0]);
    assert_eq!(peaks.len(), 3);
    for (peak, most) in peaks.iter().zip([1.20, 1.12, 1.10]) {
        assert!(*peak <= most && *peak > 1.0, "{peaks:?}, not {most}");
    }
    assert!(outcome.rules[0].extra_issuance <= 0.015);
}

/// The peak of the hours from one day to another, as a multiple of their own mean.
fn peak_of_days(outcome: &Outcome, from: i64, to: i64) -> f64 {
    let hour = |day: i64| length(day * DAY / HOUR);
    let hours = &outcome.rules[0].load[hour(from)..hour(to)];
    let peak = hours.iter().copied().fold(0.0, f64::max);
    peak / (hours.iter().sum::<f64>() / real_len(hours.len()))
}

/// The scenario with some of its lives alone: who has one of 398 days comes back after 265 of them.
fn lives(of: &[(i64, f64)], days: u32) -> Scenario {
    let scenario = shortened("lifetimes", &[Rule::Offpeak], 2, days);
    let share = |seconds: i64| of.iter().find(|(life, _)| *life == seconds);
    let mut lifetimes = scenario.lifetimes.clone();
    lifetimes.retain(|lifetime| share(lifetime.seconds).is_some());
    assert_eq!(lifetimes.len(), of.len());
    for lifetime in &mut lifetimes {
        lifetime.share = share(lifetime.seconds).map_or(0.0, |(_, share)| *share);
        if let Some(change) = &mut lifetime.change {
            change.from = scenario.start + 65 * DAY;
        }
    }
    Scenario {
        lifetimes,
        ..scenario
    }
}

#[test]
fn lives_of_days_are_level_after_the_first_two() {
    // They come back every 80 hours.
    let outcome = run(&lives(&[(160 * HOUR, 1.0)], 21));
    // Filled by steps they would stand at 1.13, of what the scenario brings by itself.
    let hours = &outcome.rules[0].load[10 * 24..21 * 24];
    let peak = hours.iter().copied().fold(0.0, f64::max) / outcome.mean;
    assert!(peak <= 1.1, "{peak}");
    // In the middle of their band they would be 14 hours early of 80, six in ten of them.
    let extra = outcome.rules[0].extra_issuance;
    assert!(extra <= 0.04, "{extra}");
}

#[test]
fn lives_of_days_are_as_early_as_the_operator_lets_them() {
    let limited = |max_extra: f64| {
        let mut scenario = lives(&[(160 * HOUR, 1.0)], 21);
        scenario.policy.max_extra = max_extra;
        let outcome = run(&scenario);
        (
            outcome.rules[0].extra_issuance,
            peak_of_days(&outcome, 10, 21),
        )
    };
    // Less than the end of the band costs cannot be.
    let (least, above) = limited(0.0);
    let (more, level) = limited(0.05);
    assert!(least < more && least < 0.02, "{least} and {more}");
    assert!(above > level, "{above} and {level}");
}

#[test]
fn lives_together_are_level_before_and_after_one_is_halved() {
    // Those of 45 days that were of 90 come back from day 95 on, beside the last of those.
    let outcome = run(&lives(&[(45 * DAY, 0.4), (90 * DAY, 0.6)], 105));
    // By three days: a window moves within a day, and the demand moves from week to week.
    for day in (66..105).step_by(3) {
        let peak = peak_of_days(&outcome, day, day + 3);
        assert!(peak <= 1.08, "from day {day}: {peak}");
    }
    let mean = |from: usize, to: usize| -> f64 {
        let hours = &outcome.rules[0].load[from * 24..to * 24];
        hours.iter().sum::<f64>() / real_len(hours.len())
    };
    // Six in ten come twice as often then.
    let more = mean(99, 105) / mean(66, 87);
    assert!(more > 1.4 && more < 1.7, "{more}");
}
