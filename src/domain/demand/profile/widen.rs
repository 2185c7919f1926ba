//! How much wider intervals become if demand is known from certificates instead of attempts.

use super::shape::{Basis, Evidence, Profile};

/// A half of the 95 % interval of how many attempts stand behind a certificate in an hour, relative to all hours,
/// where nobody has told: hours of one CA differ by some 10 %, and 1.96 of them are 95 %.
const ISSUANCE: f64 = 0.196;
/// Where it was learned: of an hour with as many certificates as the pull towards all hours has, half of the
/// variance is left, and of others less.
const ESTIMATED: f64 = 0.139;

impl Profile {
    /// Makes the intervals as wide as the basis asks for: errors that are independent add up by their squares.
    pub(super) fn widen(&mut self) {
        let relative = match self.basis {
            None | Some(Basis::Demand) => return,
            Some(Basis::Estimated) => ESTIMATED,
            Some(Basis::Issuance) => ISSUANCE,
        };
        let wider = |coefficient: f64, low: &mut f64, high: &mut f64| {
            let besides = (relative * coefficient).powi(2);
            let half = |own: f64| (own.powi(2) + besides).sqrt();
            *low = (coefficient - half(coefficient - *low)).max(0.0);
            *high = coefficient + half(*high - coefficient);
        };
        for slot in &mut self.day {
            wider(slot.coefficient, &mut slot.low, &mut slot.high);
        }
        let known = |evidence| evidence == Evidence::Sufficient;
        for slot in self.week.iter_mut().filter(|slot| known(slot.evidence)) {
            wider(slot.coefficient, &mut slot.low, &mut slot.high);
        }
    }
}
