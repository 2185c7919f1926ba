//! K: when those come back that nobody steers, learned from a server's point of view.

use offpeak::domain::client::returns::{History, Returns};
use offpeak::domain::time::HOUR;

mod ledger;
mod population;

use population::{DAY, Group, Population, until};

/// 90 days, in seconds.
const LIFE: i64 = 90 * 24 * HOUR;

/// Learns at the end of each of these days.
fn learn(history: &History, days: impl IntoIterator<Item = usize>, prior: &Returns) -> Returns {
    days.into_iter().fold(prior.clone(), |known, day| {
        Returns::learn(&until(history, day * DAY), &known)
    })
}

/// The share that returns so many hours after the own rule.
fn share(returns: &Returns, life_seconds: i64, own_rule_hours: i64, delay_hours: i64) -> f64 {
    let lag = (own_rule_hours + delay_hours) * HOUR;
    let at = returns.lags(life_seconds).filter(|(at, _)| *at == lag);
    at.map(|(_, share)| share).sum()
}

fn sum(returns: &Returns, life_seconds: i64) -> f64 {
    returns.lags(life_seconds).map(|(_, share)| share).sum()
}

/// Both halves are where they are, to the hour, and next to nothing is elsewhere.
fn assert_halves(returns: &Returns, life_seconds: i64, own_rule_hours: i64, delay_hours: i64) {
    let report = format!("{:?}", returns.lags(life_seconds).collect::<Vec<_>>());
    let sum = sum(returns, life_seconds);
    for later in [0, 24] {
        let half = share(returns, life_seconds, own_rule_hours, delay_hours + later) / sum;
        assert!((half - 0.5).abs() < 0.05, "{half} at {later} of {report}");
    }
}

#[test]
fn an_hour_later_than_assumed_is_learned_five_days_after_the_first_returns() {
    for following in [0.9, 0.6, 0.3] {
        let history = Population::new(following, 1).history(65 * DAY);
        let returns = learn(&history, 60..=65, &Returns::default());
        assert_halves(&returns, LIFE, 60 * 24, 1);
        let sum = sum(&returns, LIFE);
        assert!((sum - 1.0).abs() < 0.08, "{following}: {sum}");
    }
}

#[test]
fn an_hour_later_is_learned_with_f_misjudged_by_a_fifth() {
    for (following, taken) in [(0.9, 0.72), (0.6, 0.48), (0.6, 0.72), (0.3, 0.36)] {
        let population = Population {
            taken_to_follow: taken,
            ..Population::new(following, 1)
        };
        let returns = learn(&population.history(70 * DAY), 60..=70, &Returns::default());
        assert_halves(&returns, LIFE, 60 * 24, 1);
        // What was taken to be unsteered and is not never returns.
        let want = ((1.0 - following) / (1.0 - taken)).min(1.0);
        let sum = sum(&returns, LIFE);
        assert!((sum - want).abs() < 0.08, "{following} {taken}: {sum}");
    }
}

#[test]
fn what_returns_as_assumed_stays_as_assumed() {
    for following in [0.9, 0.6, 0.3] {
        for level in [false, true] {
            let population = Population {
                level,
                ..Population::new(following, 0)
            };
            let history = population.history(100 * DAY);
            let returns = learn(&history, (60..=100).step_by(5), &Returns::default());
            assert_eq!(returns, Returns::default(), "{following} {level}");
        }
    }
}

#[test]
fn what_was_learned_stays_when_the_load_is_level() {
    let known = learn(
        &Population::new(0.6, 1).history(70 * DAY),
        60..=70,
        &Returns::default(),
    );
    let level = Population {
        level: true,
        ..Population::new(0.9, 1)
    };
    let after = learn(&level.history(160 * DAY), (100..=160).step_by(5), &known);
    assert_eq!(after, known);
}

#[test]
fn halved_lives_are_learned_and_the_longer_ones_kept() {
    let mut population = Population::new(0.6, 1);
    population.groups[0].lives = vec![(0, 90 * 24), (80 * DAY, 45 * 24)];
    let history = population.history(150 * DAY);
    let returns = learn(&history, (60..=150).step_by(5), &Returns::default());
    assert_halves(&returns, LIFE, 60 * 24, 1);
    assert_halves(&returns, 45 * 24 * HOUR, 30 * 24, 1);
}

#[test]
fn lives_from_a_week_to_a_year_are_learned_together() {
    // Hours of life, hours of the own rule, part of the load.
    let kinds = [
        (160, 80, 0.15),
        (45 * 24, 720, 0.2),
        (47 * 24, 752, 0.1),
        (64 * 24, 1024, 0.1),
        (90 * 24, 1440, 0.4),
    ];
    let group = |life_hours, share| Group {
        share,
        lives: vec![(0, life_hours)],
        delays: vec![(1, 0.5), (1 + DAY, 0.5)],
    };
    let mut population = Population::new(0.6, 0);
    population.groups = kinds
        .map(|(life_hours, _, share)| group(life_hours, share))
        .into();
    // Not returned yet: nothing is known of it.
    population.groups.push(group(398 * 24, 0.05));
    let history = population.history(72 * DAY);
    let returns = learn(&history, 67..=72, &Returns::default());
    for (life_hours, own_rule_hours, _) in kinds {
        assert_halves(&returns, life_hours * HOUR, own_rule_hours, 1);
    }
    assert!(
        returns
            .learned()
            .all(|(_, habit)| habit.life_seconds() < 100 * 24 * HOUR)
    );
}

#[test]
fn a_burst_and_its_echo_teach_nothing_wrong() {
    for (delay, at) in [
        (0, 20 * DAY + 9),
        (1, 20 * DAY + 9),
        (0, 66 * DAY + 5),
        (1, 66 * DAY + 5),
    ] {
        let population = Population {
            burst: Some((at, at + 6, 10.0)),
            ..Population::new(0.6, delay)
        };
        let history = population.history(90 * DAY);
        let returns = learn(&history, (60..=90).step_by(5), &Returns::default());
        assert_halves(&returns, LIFE, 60 * 24, i64::try_from(delay).unwrap());
    }
}

#[test]
fn a_single_wild_hour_teaches_no_other_hour() {
    for (following, hour) in [(0.6, 5), (0.9, 23), (0.9, 30), (0.9, 50)] {
        let at = 61 * DAY + hour;
        let population = Population {
            burst: Some((at, at + 1, 2.5)),
            ..Population::new(following, 0)
        };
        let returns = learn(&population.history(65 * DAY), 61..=65, &Returns::default());
        assert_halves(&returns, LIFE, 60 * 24, 0);
        let sum = sum(&returns, LIFE);
        assert!(sum > 0.8, "{following} {hour}: {sum}");
    }
}

#[test]
fn missing_hours_are_left_out() {
    for delay in [0, 1] {
        let mut population = Population::new(0.6, delay);
        population.gaps = (64..75)
            .map(|day| day * DAY + day % 5..day * DAY + 9)
            .collect();
        population.gaps.push(70 * DAY..72 * DAY);
        let returns = learn(&population.history(75 * DAY), 60..=75, &Returns::default());
        assert_halves(&returns, LIFE, 60 * 24, i64::try_from(delay).unwrap());
    }
}

#[test]
fn new_certificates_of_the_same_shape_move_no_hour() {
    for delay in [0, 1] {
        let population = Population {
            new: 0.1,
            ..Population::new(0.6, delay)
        };
        let returns = learn(
            &population.history(90 * DAY),
            (60..=90).step_by(5),
            &Returns::default(),
        );
        let delay = i64::try_from(delay).unwrap();
        // They come at the hours of those that are there already.
        let at = |hour: i64| -> f64 {
            let lags = returns.lags(LIFE);
            let there = lags.filter(|(lag, _)| lag / HOUR % 24 == hour);
            there.map(|(_, share)| share).sum()
        };
        let sum = sum(&returns, LIFE);
        assert!(at(delay) > 0.75 * sum, "{returns:?}");
        let right = at(0) + if delay == 0 { 0.0 } else { at(delay) };
        assert!(right > 0.95 * sum, "{returns:?}");
    }
}

#[test]
fn few_certificates_teach_nothing_wrong() {
    for volume in [4.0, 40.0, 400.0] {
        let population = |delay| Population {
            volume,
            ..Population::new(0.6, delay)
        };
        let as_assumed = learn(
            &population(0).history(90 * DAY),
            (60..=90).step_by(5),
            &Returns::default(),
        );
        assert_eq!(as_assumed, Returns::default(), "{volume}");
        let later = learn(
            &population(1).history(90 * DAY),
            (60..=90).step_by(5),
            &Returns::default(),
        );
        let elsewhere = |(lag, _): &(i64, f64)| !matches!(lag / HOUR % 24, 0 | 1);
        assert!(!later.lags(LIFE).any(|lag| elsewhere(&lag)), "{later:?}");
        assert!(share(&later, LIFE, 1440, 1) > 0.15, "{volume} {later:?}");
    }
}
