//! The windows of a cohort, drawn by the real code.

use std::rc::Rc;

use super::density::Density;
use super::given::Given;
use crate::domain::allocation::allocator::DrawSource;
use crate::domain::allocation::window::starts_for_tick;
use crate::domain::allocation::window::{in_slot, in_span, open_part};
use crate::domain::certificate::Validity;
use crate::domain::client::schedule::Schedule;
use crate::domain::math::number::real;
use crate::domain::time::Span;

/// The number of windows that represent all windows of a slot: one for each grain of an hour.
const STRATA: i64 = 12;
/// Schedules with a smaller share of the clients than this count as unknown.
const LEAST_SHARE: f64 = 0.001;

/// The windows of certificates of one life that are issued now.
pub(super) struct Windowed {
    /// Their windows.
    pub(super) given: Rc<Given>,
    /// When these windows are.
    pub(super) drawn: Rc<Density>,
    /// When clients for which these windows were drawn renew.
    pub(super) meant: Rc<Density>,
}

impl Windowed {
    pub(super) fn shared(&self) -> Self {
        Self {
            given: Rc::clone(&self.given),
            drawn: Rc::clone(&self.drawn),
            meant: Rc::clone(&self.meant),
        }
    }
}

/// Windows drawn by the real code, each start representing its share of those of its slot. `None` if
/// clients of this schedule draw like all others.
pub(super) fn windowed(
    from: &DrawSource<'_>,
    validity: Validity,
    schedule: Schedule,
) -> Option<Windowed> {
    let mut windows: Vec<(Span, f64)> = Vec::new();
    let mut meant = Density::default();
    let mut of = 0.0;
    let drawn = |starts, window_seconds, of: f64| {
        strata(1).map(move |(hash, share)| {
            let window = in_span(hash, starts, window_seconds, validity.not_after);
            (window, of * share)
        })
    };
    match from {
        DrawSource::Table {
            table,
            ledger,
            last_tick,
            ..
        } if schedule != Schedule::Unknown => {
            let window_seconds = table.window_seconds_for_tick();
            let load_at_same_tick = ledger.load_at_same_tick(schedule, table.made_at);
            for (tick, share) in table.ticks(schedule, load_at_same_tick, *last_tick) {
                let starts = starts_for_tick(tick, window_seconds);
                windows.extend(drawn(starts, window_seconds, share));
                meant = meant.mixed(of / (of + share).max(1e-9), &Density::at(tick));
                of += share;
            }
        }
        DrawSource::Starts { .. } if schedule != Schedule::Unknown => {}
        DrawSource::Starts {
            starts,
            window_seconds,
            closed,
        } if closed.is_empty() => windows.extend(drawn(*starts, *window_seconds, 1.0)),
        DrawSource::Starts {
            starts,
            window_seconds,
            closed,
        } => windows.extend(strata(STRATA).map(|(hash, share)| {
            let (starts, window_seconds) = open_part(hash, *starts, *window_seconds, closed);
            let window = in_span(hash, starts, window_seconds, validity.not_after);
            (window, share)
        })),
        DrawSource::Table { table, .. } => {
            let slots = table.probabilities().into_iter().enumerate();
            for (n, of) in slots.filter(|(_, of)| *of > 0.0) {
                windows.extend(strata(1).map(|(hash, share)| {
                    let slot = table.slot(n);
                    let window = in_slot(hash, slot, &table.closed, validity.not_after);
                    (window, of * share)
                }));
            }
        }
    }
    if windows.is_empty() {
        return None;
    }
    let given = Given(windows);
    let drawn = Rc::new(given.drawn());
    Some(Windowed {
        given: Rc::new(given),
        meant: if of > 0.0 {
            Rc::new(meant)
        } else {
            Rc::clone(&drawn)
        },
        drawn,
    })
}

/// The windows of clients whose schedule is unknown: some shares as for certain schedules, and the rest
/// as for all.
pub(super) fn mixed(
    schedules: impl Iterator<Item = (Schedule, f64)>,
    from: &DrawSource<'_>,
    validity: Validity,
    plain: &Windowed,
) -> Windowed {
    let own: Vec<(Windowed, f64)> = schedules
        .filter(|(_, share)| *share > LEAST_SHARE)
        .filter_map(|(schedule, share)| Some((windowed(from, validity, schedule)?, share)))
        .collect();
    let mut all = plain.shared();
    let mut mixed = 1.0 - own.iter().map(|(_, share)| share).sum::<f64>();
    for (own, share) in own {
        let keeps = (mixed / (mixed + share)).clamp(0.0, 1.0);
        mixed += share;
        let part_of = |windowed: &Windowed, of: f64| -> Vec<(Span, f64)> {
            let windows = windowed.given.0.iter();
            windows.map(|(window, part)| (*window, part * of)).collect()
        };
        let given = [part_of(&all, keeps), part_of(&own, 1.0 - keeps)].concat();
        all = Windowed {
            given: Rc::new(Given(given)),
            drawn: Rc::new(all.drawn.mixed(keeps, &own.drawn)),
            meant: Rc::new(all.meant.mixed(keeps, &own.meant)),
        };
    }
    all
}

/// Hashes that represent all hashes, each with its share: for each of `upper` upper halves, [`STRATA`]
/// lower halves. The lower half draws the second, the upper half everything before it.
pub(super) fn strata(upper: i64) -> impl Iterator<Item = (u128, f64)> {
    let share = 1.0 / real(STRATA * upper);
    let middle = |n: i64, of: i64| {
        u128::from(u64::MAX) * u128::from((2 * n + 1).unsigned_abs())
            / u128::from((2 * of).unsigned_abs())
    };
    (0..upper).flat_map(move |high| {
        (0..STRATA).map(move |low| ((middle(high, upper) << 64) | middle(low, STRATA), share))
    })
}
