//! How much wider intervals are if demand is known from certificates instead of attempts.

use super::shape::{Basis, Evidence, Profile};

/// Half of the 95 % interval of an hour's attempts per certificate, relative to all hours, if no source
/// has shown them. The hours of one CA differ by about 10 %; 1.96 times that is 95 %.
const ISSUANCE: f64 = 0.196;
/// The same if the ratio was learned. If an hour has as many certificates as the pull towards all hours
/// weighs, half of the variance is left; with more, less.
const ESTIMATED: f64 = 0.139;

impl Profile {
    /// Makes the intervals as wide as the basis requires; independent errors add up by their squares.
    pub(super) fn widen(&mut self) {
        let relative = match self.basis {
            None | Some(Basis::Demand) => return,
            Some(Basis::Estimated) => ESTIMATED,
            Some(Basis::Issuance) => ISSUANCE,
        };
        let wider = |coefficient: f64, low: &mut f64, high: &mut f64| {
            let of_basis = (relative * coefficient).powi(2);
            let half = |own: f64| (own.powi(2) + of_basis).sqrt();
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
