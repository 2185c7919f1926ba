//! The simplest explanation: clients use their usual rule, shifted by whole hours for each class.

use super::design::Design;
use super::history::ClassHistory;
use super::robust::Fit;
use super::usual;
use crate::certificate::own_rule_seconds;
use crate::time::HOUR;

/// More than all of a class may appear to return if f is overestimated. Allow half as many again;
/// with more, one class would be taken for another.
const MOST_SHARE: f64 = 1.5;

/// A class says nothing about when it returns if all its possible returns add less than this to the
/// sum of squares, in units of the variance.
const SAYS_NOTHING: f64 = 1.0;

/// Lags in seconds after the own rule, and their shares.
pub(super) type Lags = Vec<(i64, f64)>;

/// The clients' rule shifted by some hours, and the returns it produces.
struct Moved {
    by_hours: i64,
    lags: [(i64, f64); 2],
    /// The returns in each hour, without the part that the free columns explain.
    returning: Vec<f64>,
    /// The weighted sum of its squares.
    norm: f64,
}

/// The shifted rules of one class, and the current choice.
struct Class {
    rules: Vec<Moved>,
    lags: Lags,
    returning: Vec<f64>,
}

/// A step that lowers the sum of squares.
struct Step {
    class: usize,
    gain: f64,
    lags: Lags,
    returning: Vec<f64>,
}

/// Starts from the earlier knowledge. First moves all classes together, if that helps, because the
/// same clients request all lifetimes. Then repeatedly takes the best single step of any class
/// (shift and scale its rule), until no step gains `clear`. Among rules whose gains differ by less
/// than `tolerance`, it takes the smallest shift: while only a few days have been seen, days are hard
/// to tell apart, but hours are not.
pub(super) fn move_rules(
    fit: &Fit<'_>,
    design: &Design,
    classes: &[ClassHistory],
    before: &[Lags],
    clear: f64,
    tolerance: f64,
) -> Vec<Lags> {
    let mut state: Vec<Class> = classes
        .iter()
        .zip(before)
        .enumerate()
        .map(|(number, (class, lags))| {
            let own = own_rule_seconds(class.life_seconds);
            let at = |lags: &[(i64, f64)]| {
                let lags = lags.iter().map(|(after, share)| (own + after, *share));
                fit.without_free(&design.returning(number, lags))
            };
            let rules = design.moves(class.life_seconds).map(|by_hours| {
                let lags = usual(class.life_seconds)
                    .map(|(after, share)| (after + by_hours * HOUR, share));
                let returning = at(&lags);
                Moved {
                    by_hours,
                    lags,
                    norm: fit.product(&returning, &returning),
                    returning,
                }
            });
            Class {
                rules: rules.collect(),
                returning: at(lags),
                lags: lags.clone(),
            }
        })
        .collect();
    let observed = fit.without_free(&design.observed);
    move_all(fit, &observed, &mut state, clear, tolerance);
    for _ in 0..2 * state.len() {
        let step = (0..state.len())
            .filter_map(|class| step(fit, &observed, &state, class, tolerance))
            .max_by(|a, b| a.gain.total_cmp(&b.gain))
            .filter(|step| step.gain > clear);
        let Some(step) = step else {
            break;
        };
        let class = &mut state[step.class];
        (class.lags, class.returning) = (step.lags, step.returning);
    }
    state.into_iter().map(|class| class.lags).collect()
}

/// The best step for one class.
fn step(
    fit: &Fit<'_>,
    observed: &[f64],
    state: &[Class],
    class: usize,
    tolerance: f64,
) -> Option<Step> {
    let mut rest = observed.to_vec();
    for (_, other) in state.iter().enumerate().filter(|(at, _)| *at != class) {
        subtract(&mut rest, &other.returning);
    }
    let mut left = rest.clone();
    subtract(&mut left, &state[class].returning);
    let options = state[class].rules.iter().map(|rule| {
        let share = share(fit, &rest, &rule.returning, rule.norm);
        (rule, share, gain(fit, &left, &rest, &rule.returning, share))
    });
    let (rule, share, gain) = least_moved(options, |rule| rule.by_hours, tolerance)?;
    let (lags, returning) = rule.scaled(share);
    Some(Step {
        class,
        gain,
        lags,
        returning,
    })
}

/// Shifts the rules of all classes by the same hours, with one share, if that gains enough.
fn move_all(fit: &Fit<'_>, observed: &[f64], state: &mut [Class], clear: f64, tolerance: f64) {
    let mut left = observed.to_vec();
    for class in &*state {
        subtract(&mut left, &class.returning);
    }
    let mut hours: Vec<i64> = state
        .iter()
        .flat_map(|class| class.rules.iter().map(|rule| rule.by_hours))
        .collect();
    hours.sort_unstable();
    hours.dedup();
    let options = hours.into_iter().map(|by_hours| {
        let mut all = vec![0.0; observed.len()];
        for rule in state.iter().filter_map(|class| class.moved(by_hours)) {
            for (sum, amount) in all.iter_mut().zip(&rule.returning) {
                *sum += amount;
            }
        }
        let share = share(fit, observed, &all, fit.product(&all, &all));
        (by_hours, share, gain(fit, &left, observed, &all, share))
    });
    let step = least_moved(options, |by_hours| *by_hours, tolerance);
    let Some((by_hours, share, _)) = step.filter(|(_, _, gain)| *gain > clear) else {
        return;
    };
    for class in state {
        let says = |rule: &&Moved| rule.norm > SAYS_NOTHING;
        if let Some(rule) = class.moved(by_hours).filter(says) {
            (class.lags, class.returning) = rule.scaled(share);
        }
    }
}

/// The share of `returning` that explains `rest` best.
fn share(fit: &Fit<'_>, rest: &[f64], returning: &[f64], norm: f64) -> f64 {
    if norm <= SAYS_NOTHING {
        return 0.0;
    }
    (fit.product(rest, returning) / norm).clamp(0.0, MOST_SHARE)
}

/// The gain if a share of `returning` explains `rest`, when `left` is unexplained now.
fn gain(fit: &Fit<'_>, left: &[f64], rest: &[f64], returning: &[f64], share: f64) -> f64 {
    let after = rest.iter().zip(returning);
    fit.gain(left, after.map(|(rest, amount)| rest - share * amount))
}

/// Of options with a share and a gain each, the one with the smallest shift whose gain is within
/// `tolerance` of the best.
fn least_moved<T>(
    options: impl Iterator<Item = (T, f64, f64)>,
    by_hours: impl Fn(&T) -> i64,
    tolerance: f64,
) -> Option<(T, f64, f64)> {
    let gains: Vec<_> = options
        .filter(|(_, share, gain)| *share > 0.0 && *gain > 0.0)
        .collect();
    let best = gains.iter().map(|(_, _, gain)| *gain).fold(0.0, f64::max);
    gains
        .into_iter()
        .filter(|(_, _, gain)| *gain >= best - tolerance)
        .min_by_key(|(option, _, _)| by_hours(option).abs())
}

impl Class {
    /// The rule shifted by this many hours, or as far as a short life allows.
    fn moved(&self, by_hours: i64) -> Option<&Moved> {
        self.rules
            .iter()
            .min_by_key(|rule| (rule.by_hours - by_hours).abs())
    }
}

impl Moved {
    fn scaled(&self, share: f64) -> (Lags, Vec<f64>) {
        let lags = self.lags.map(|(after, part)| (after, part * share));
        let returning = self.returning.iter().map(|amount| amount * share);
        (lags.to_vec(), returning.collect())
    }
}

fn subtract(from: &mut [f64], amounts: &[f64]) {
    for (from, amount) in from.iter_mut().zip(amounts) {
        *from -= amount;
    }
}
