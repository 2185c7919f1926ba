//! Learns the times of return from the history of arrivals. Earlier knowledge is replaced only on
//! clear evidence.

use super::design::Design;
use super::history::{ClassHistory, History};
use super::moved::{Lags, move_rules};
use super::robust::Fit;
use super::{Habit, Returns, compact};
use crate::certificate::life_class;
use crate::certificate::own_rule_seconds;
use crate::math::number::{real_len, signed};
use crate::time::HOUR;

/// Each new lag must raise twice the log-likelihood by this many times the penalty of the Bayesian
/// information criterion (Schwarz 1978), the logarithm of the number of hours. The criterion
/// assumes that hours are independent, which they are not quite.
const CLEAR: f64 = 3.0;
/// … and all new lags together must explain this fraction of the remaining variation in each hour.
const MATTERS: f64 = 0.02;
/// If the shares change by less than this in total, they are left as they are.
const SAME: f64 = 0.02;
/// Earlier knowledge weighs as much as this many hours of data.
const KNOWN_HOURS: f64 = 24.0;

impl Returns {
    /// Learns from a history what clearly differs from `before`. Classes without clear evidence are
    /// left as they were, so a flat load does not erase what was learned.
    ///
    /// Call it at most once an hour. The more hours a call uses, the more it changes.
    #[must_use]
    pub fn learn(history: &History, prior: &Self) -> Self {
        let mut returns = prior.clone();
        let Some(design) = Design::new(history) else {
            return returns;
        };
        let fit = Fit::new(&design);
        let before: Vec<Lags> = history
            .classes
            .iter()
            .map(|class| prior.after_own_rule(class))
            .collect();
        let hours = real_len(fit.hours());
        let step = hours / (hours + KNOWN_HOURS);
        let found = explain(history, &design, &fit, &before);
        for ((class, before), found) in history.classes.iter().zip(&before).zip(found) {
            let found = compact(found);
            if distance(before, &found) >= SAME {
                returns.move_towards(class, before, &found, step);
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

    /// Moves part of the way from the earlier knowledge to the new fit.
    fn move_towards(
        &mut self,
        class: &ClassHistory,
        before: &[(i64, f64)],
        found: &[(i64, f64)],
        step: f64,
    ) {
        let number = life_class(class.life_seconds);
        let learned = self.classes.get(&number).map_or(0.0, Habit::learned);
        let kept = before.iter().map(|(at, share)| (*at, share * (1.0 - step)));
        let new = found.iter().map(|(at, share)| (*at, share * step));
        let habit = Habit {
            life_seconds: class.life_seconds,
            learned: learned + step * (1.0 - learned),
            lags: compact(kept.chain(new).collect()),
        };
        self.classes.insert(number, habit);
    }
}

/// For each class: the clients' rule, shifted, if that is enough; otherwise the free fit, if it is
/// clearly better than the earlier knowledge.
fn explain(history: &History, design: &Design, fit: &Fit<'_>, before: &[Lags]) -> Vec<Lags> {
    let hours = real_len(fit.hours());
    // The evidence required for this many additional lags.
    let clear = |lags: usize| (CLEAR * real_len(lags) * hours.ln()).max(MATTERS * hours);
    let returning = |class: usize, lags: &Lags| {
        let own = own_rule_seconds(history.classes[class].life_seconds);
        let lags = lags.iter().map(|(after, share)| (own + after, *share));
        design.returning(class, lags)
    };
    // A moved rule has two parameters: the shift, and the share that returns.
    let moved = move_rules(fit, design, &history.classes, before, clear(2), hours.ln());
    let mut all = vec![0.0; design.observed.len()];
    for (class, lags) in moved.iter().enumerate() {
        add(&mut all, &returning(class, lags));
    }
    let as_well = fit.loss_with(&all) <= clear(fit.lags.len().max(1));
    if as_well || !design.separates_days() {
        return moved;
    }
    let classes = history.classes.iter().zip(before).enumerate();
    classes
        .map(|(number, (class, before))| {
            let own = own_rule_seconds(class.life_seconds);
            let found: Lags = fit
                .of(number)
                .map(|(hours, share)| (signed(hours) * HOUR - own, share))
                .collect();
            let mut as_before = fit.others(number);
            add(&mut as_before, &returning(number, before));
            let is_clear = fit.loss_with(&as_before) > clear(found.len() + 1);
            if is_clear && !found.is_empty() {
                found
            } else {
                before.clone()
            }
        })
        .collect()
}

fn add(to: &mut [f64], amounts: &[f64]) {
    for (to, amount) in to.iter_mut().zip(amounts) {
        *to += amount;
    }
}

/// The total difference between two sets of shares.
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
