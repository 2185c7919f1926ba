//! From what came when to when they come back: what was known is left only for what is clear.

use super::design::{Design, hours_around_own_rule};
use super::history::{ClassHistory, History, nearest_hours};
use super::robust::Fit;
use super::{Habit, Returns, compact, usual};
use crate::domain::band::own_rule_seconds;
use crate::domain::ledger::life_class;
use crate::domain::number::{real_len, signed};
use crate::domain::time::HOUR;

/// Each lag that is new has to raise the double of the log-likelihood by this many times what the
/// Bayesian information criterion asks (Schwarz 1978), the logarithm of the hours: hours are not
/// as independent as it takes them to be.
const CLEAR: f64 = 3.0;
/// … and all of them together by this part of what is left unexplained in each hour.
const MATTERS: f64 = 0.02;
/// Shares that move by less than this in all are left as they are.
const SAME: f64 = 0.02;
/// How far to go towards what was found: a lesson that one day of wrong counts taught is half
/// unlearned by the next.
const STEP: f64 = 0.5;

impl Returns {
    /// What a history teaches, where it clearly differs from what was known before. Classes that it
    /// says nothing clear of stay as they were: once the load is level, nothing is forgotten.
    ///
    /// Meant to be called once an hour or less often; a call goes half of the way.
    #[must_use]
    pub fn learn(history: &History, prior: &Self) -> Self {
        let mut returns = prior.clone();
        let Some(design) = Design::new(history) else {
            return returns;
        };
        let fit = Fit::new(&design);
        let hours = real_len(fit.hours());
        for (number, class) in history.classes.iter().enumerate() {
            let own = own_rule_seconds(class.life_seconds);
            let found: Vec<(i64, f64)> = fit
                .of(number)
                .map(|(hours, share)| (signed(hours) * HOUR - own, share))
                .collect();
            let clear = CLEAR * real_len(found.len() + 1) * hours.ln();
            let clear = clear.max(MATTERS * hours);
            let loss_with = |lags: &[(i64, f64)]| {
                let lags = lags.iter().map(|(after, share)| (own + after, *share));
                fit.loss_with(number, &design.returning(number, lags))
            };
            let before = prior.after_own_rule(class);
            if found.is_empty() || distance(&before, &found) < SAME || loss_with(&before) <= clear {
                continue;
            }
            let simple = usual_moved(class, found.iter().map(|(_, share)| share).sum());
            let simple = simplest(simple.map(|(by, lags)| (by, loss_with(&lags), lags)), clear);
            let found = compact(simple.map_or(found, |lags| lags.to_vec()));
            if distance(&before, &found) >= SAME {
                returns.move_towards(class, &before, &found);
            }
        }
        returns
    }

    fn after_own_rule(&self, class: &ClassHistory) -> Vec<(i64, f64)> {
        let own = own_rule_seconds(class.life_seconds);
        self.lags(class.life_seconds)
            .map(|(lag, share)| (lag - own, share))
            .collect()
    }

    fn move_towards(&mut self, class: &ClassHistory, before: &[(i64, f64)], found: &[(i64, f64)]) {
        let number = life_class(class.life_seconds);
        let learned = self.classes.get(&number).map_or(0.0, Habit::learned);
        let kept = before.iter().map(|(at, share)| (*at, share * (1.0 - STEP)));
        let new = found.iter().map(|(at, share)| (*at, share * STEP));
        let habit = Habit {
            life_seconds: class.life_seconds,
            learned: learned + STEP * (1.0 - learned),
            lags: compact(kept.chain(new).collect()),
        };
        self.classes.insert(number, habit);
    }
}

/// The rule of clients, earlier or later by so many whole hours.
fn usual_moved(class: &ClassHistory, share: f64) -> impl Iterator<Item = (i64, [(i64, f64); 2])> {
    let life_seconds = class.life_seconds;
    let own_rule = nearest_hours(own_rule_seconds(life_seconds));
    hours_around_own_rule(life_seconds).map(move |hours| {
        let by = hours - own_rule;
        let lags = usual(life_seconds).map(|(after, part)| (after + by * HOUR, part * share));
        (by, lags)
    })
}

/// Of the rules moved by so many hours, with such a loss each, the one moved least that explains
/// as well as the best, if that is not clearly worse than what was found: days are hard to tell
/// apart while only a few have been seen, hours are not.
fn simplest<L>(moved: impl Iterator<Item = (i64, f64, L)>, clear: f64) -> Option<L> {
    let moved: Vec<_> = moved.filter(|(_, loss, _)| *loss <= clear).collect();
    let best = moved.iter().map(|(_, loss, _)| *loss).fold(clear, f64::min);
    moved
        .into_iter()
        .filter(|(_, loss, _)| *loss <= best + clear / CLEAR)
        .min_by_key(|(by, _, _)| by.abs())
        .map(|(_, _, lags)| lags)
}

/// By how much shares differ in all.
fn distance(a: &[(i64, f64)], b: &[(i64, f64)]) -> f64 {
    let share = |lags: &[(i64, f64)], at: i64| -> f64 {
        let found = lags.iter().filter(|(other, _)| *other == at);
        found.map(|(_, share)| share).sum()
    };
    let of_a: f64 = a
        .iter()
        .map(|(at, part)| (part - share(b, *at)).abs())
        .sum();
    let only_b: f64 = b
        .iter()
        .filter(|(at, _)| a.iter().all(|(other, _)| other != at))
        .map(|(_, part)| part)
        .sum();
    of_a + only_b
}
