//! A fleet that is imported beside what a CA issues by itself: it fills the quiet slots, and none of
//! them higher than the ones beside it.

use offpeak::domain::math::waterfill;

use super::*;

/// The fleet.
const FLEET: u64 = 100_000;

/// A large CA: 40,000 an hour in the mean, four tenths of them at night.
fn shape() -> [f64; 24] {
    let mut shape = [36_000.0; 24];
    shape[..6].fill(60_000.0);
    shape[12..18].fill(28_000.0);
    shape
}

/// A registry that has seen the CA for 70 days: six in ten follow, and come in the same shape.
fn large() -> Registry {
    let mut registry = Registry::new(policy(), four_weeks(&shape()));
    for hour in -70 * 24..0_i64 {
        let from = NOW + hour * HOUR;
        let certificates = shape()[usize::try_from(from.second_of_day() / HOUR).unwrap()];
        let window = Span {
            from: from + 59 * DAY,
            to: from + 59 * DAY + HOUR,
        };
        for (share, follows) in [(0.6, 1.0), (0.4, 0.0)] {
            registry.allocator.ledger.book_cohort(&Cohort {
                windows: Windows::One(window, Response::default()),
                issued_at: from + HOUR / 2,
                life_seconds: 90 * DAY,
                follows: Some(follows),
                certificates: share * certificates,
            });
        }
    }
    registry
}

/// What is expected in each hour from `from` on.
fn expected(registry: &Registry, from: Timestamp, hours: i64) -> Vec<f64> {
    let view = View {
        now: NOW,
        prior: registry.policy.follow_prior,
        profile: &registry.profile,
        life_seconds: 90 * DAY,
    };
    (0..hours)
        .map(|hour| {
            let slot = Span {
                from: from + hour * HOUR,
                to: from + (hour + 1) * HOUR,
            };
            let ledger = &registry.allocator.ledger;
            ledger.promised(slot) + ledger.unsteered(slot, &view)
        })
        .collect()
}

/// Imports the fleet, all issued so many days ago: what is expected in each hour of its band without it,
/// the windows that each was given, and φ.
fn imported(days: i64) -> (Vec<f64>, Vec<f64>, f64) {
    let mut registry = large();
    let issued_at = NOW - days * DAY;
    let from = issued_at + 59 * DAY - 2 * HOUR;
    let before = expected(&registry, from, 24);
    let mut given = vec![0.0; before.len()];
    let mut follows = None;
    for n in 0..FLEET {
        let drawn = registry.register(n, life(issued_at, 90 * DAY), issued_at, NOW);
        follows = drawn.follows;
        for (hour, count) in (0..).zip(&mut given) {
            let slot = Span {
                from: from + hour * HOUR,
                to: from + (hour + 1) * HOUR,
            };
            let overlap = slot.overlap_seconds(drawn.window);
            *count += real(overlap) / real(drawn.window.seconds());
        }
    }
    (before, given, follows.unwrap())
}

#[test]
fn an_imported_fleet_fills_no_hour_above_one_that_it_left_alone() {
    let (before, given, expected_to_follow) = imported(20);
    // The last windows run over into the hour after the band.
    assert!(given.iter().sum::<f64>() > 99_000.0);
    assert!(expected_to_follow < 0.5, "{expected_to_follow}");
    // Nobody knows yet how many of it follow: as many as of other newcomers, or all.
    for follows in [expected_to_follow, 1.0] {
        let loads: Vec<f64> = before
            .iter()
            .zip(&given)
            .map(|(before, given)| before + follows * given)
            .collect();
        // A handful of windows run over from the hour before.
        let filled = |n: &usize| given[*n] > 500.0;
        let (filled, left): (Vec<usize>, Vec<usize>) = (0..loads.len()).partition(filled);
        let highest = filled.iter().map(|n| loads[*n]).fold(0.0, f64::max);
        let lowest = left.iter().map(|n| loads[*n]).fold(f64::INFINITY, f64::min);
        assert!(
            highest <= lowest + 4.0 * lowest.sqrt(),
            "{follows}: {loads:?}"
        );
        // If all of it follow, it stands as level as water would.
        let limits = vec![f64::INFINITY; 24];
        let level = waterfill::level(&before, &limits, &[1.0; 24], 100_000.0);
        assert!(
            highest <= level + 4.0 * level.sqrt(),
            "{highest} above {level}: {loads:?}"
        );
    }
}
