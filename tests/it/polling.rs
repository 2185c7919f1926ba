//! When clients come, to the second: `Retry-After` (RFC 9773 section 4.3) and windows leave no
//! instant that many share.

use offpeak::domain::allocation::allocator::{Allocator, Draw};
use offpeak::domain::allocation::window::in_span;
use offpeak::domain::allocation::window::{starts_for_tick, window_seconds_for_tick};
use offpeak::domain::certificate::Validity;
use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::hash::{HashKey, Purpose, lower_unit, mixed, upper_unit};
use offpeak::domain::client::retry_after::{Ahead, retry_after_seconds};
use offpeak::domain::client::schedule::Schedule;
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::math::number::{length, real, real_len, signed};
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// A Saturday at 10:00 UTC.
const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);
const BASE: i64 = 6 * HOUR;
const CERTIFICATES: usize = 100_000;

/// A CA's day with a peak at 01:00 UTC: hours 00 to 23, mean 1.
const DAY_SHAPE: [f64; 24] = [
    1.795, 2.268, 1.417, 1.134, 1.039, 0.945, 0.945, 0.945, 0.992, 0.992, 0.945, 0.898, 1.228,
    0.945, 0.850, 0.850, 0.803, 0.756, 0.709, 0.661, 0.661, 0.661, 0.709, 0.850,
];

fn id(n: usize) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[7; 20]).unwrap(),
        serial: Serial::new(&n.to_be_bytes()).unwrap(),
    }
}

fn hash(purpose: Purpose, n: usize, salt: i64) -> u128 {
    HashKey::new(*b"sixteen octets!!").hash(purpose, &id(n), salt)
}

fn hour_of(at: Timestamp) -> usize {
    length(at.second_of_day() / HOUR)
}

fn shaped(at: Timestamp) -> f64 {
    DAY_SHAPE[hour_of(at)]
}

/// When certificate `n` is to be asked for again, as the engine says it.
fn target(n: usize, now: Timestamp, ahead: &Ahead<'_, impl Fn(Timestamp) -> f64>) -> Timestamp {
    let hash = mixed(hash(Purpose::Fingerprint, n, 0), now.unix());
    let draws = (upper_unit(hash), lower_unit(hash));
    now + retry_after_seconds(BASE, now, draws, ahead)
}

/// The number that the largest of `seconds` Poisson counts stays at or below with a chance of
/// 99.99 %.
fn poisson_bound(mean: f64, seconds: f64) -> f64 {
    let allowed = 0.0001 / seconds;
    let mut term = (-mean).exp();
    let mut below = term;
    let mut count = 0.0;
    while 1.0 - below > allowed {
        count += 1.0;
        term *= mean / count;
        below += term;
    }
    count
}

/// Asserts that targets fall as their density says: no hour above its share by more than three
/// sigma, no second above Poisson's bound. `density` is the share that a second should have.
fn assert_spread(targets: &[Timestamp], density: impl Fn(Timestamp) -> f64) {
    let many = real_len(targets.len());
    let mut counts = vec![0.0; length(BASE * 3 / 2)];
    for target in targets {
        counts[length(*target - NOW)] += 1.0;
    }
    let seconds: Vec<(Timestamp, f64)> = (0..signed(counts.len()))
        .map(|second| NOW + second)
        .map(|at| (at, density(at)))
        .collect();
    let total: f64 = seconds.iter().map(|(_, share)| share).sum();
    assert!(
        (total - 1.0).abs() < 1e-3,
        "the expected shares are {total}"
    );
    let densest = seconds.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let bound = poisson_bound(densest * many, real_len(counts.len()));
    let worst = counts.iter().copied().fold(0.0, f64::max);
    assert!(
        worst <= bound,
        "{worst} in one second, {bound} are Poisson's"
    );
    for (slot, counts) in counts.chunks(3_600).enumerate() {
        let hour = &seconds[slot * 3_600..slot * 3_600 + counts.len()];
        let share: f64 = hour.iter().map(|(_, share)| share).sum();
        let most = share * many + 3.0 * (many * share * (1.0 - share)).sqrt();
        let came: f64 = counts.iter().sum();
        assert!(came <= most, "{came} in hour {slot}, {most} at most");
    }
}

#[test]
fn what_is_asked_in_one_second_is_answered_with_targets_of_their_own() {
    let all = |ahead: &Ahead<'_, fn(Timestamp) -> f64>| -> Vec<Timestamp> {
        (0..CERTIFICATES).map(|n| target(n, NOW, ahead)).collect()
    };
    let after = |at: Timestamp| real(at - NOW);
    // From 0.8 to 1.2 of the base.
    let (from, to) = (17_280.0, 25_920.0);
    let inside = |at: Timestamp| (from..to).contains(&after(at));
    let even = 1.0 / (to - from);
    let calm = Ahead {
        closed: &[],
        load: (|_| 1.0) as fn(Timestamp) -> f64,
    };
    assert_spread(&all(&calm), |at| if inside(at) { even } else { 0.0 });

    // 15:30 to 16:00 is closed: who drew it comes in the time before, who drew a later second
    // comes then.
    let closed = [Span {
        from: NOW + 19_800,
        to: NOW + 21_600,
    }];
    let shut = Ahead {
        closed: &closed,
        ..calm
    };
    let soonest = 8_640.0;
    let moved = even * 1_800.0 / (19_800.0 - soonest);
    let targets = all(&shut);
    assert!(!targets.iter().any(|at| closed[0].contains(*at)));
    assert_spread(&targets, |at| {
        let sooner = (soonest..19_800.0).contains(&after(at));
        let drawn = inside(at) && !closed[0].contains(at);
        (if drawn { even } else { 0.0 }) + (if sooner { moved } else { 0.0 })
    });
}

/// Polls by the hour of the day, on the third day of asking and coming back.
fn third_day(many: usize, ahead: &Ahead<'_, impl Fn(Timestamp) -> f64>) -> ([f64; 24], f64) {
    let midnight = NOW - NOW.second_of_day() + DAY;
    let mut polls = [0.0; 24];
    let mut total = 0.0;
    for n in 0..many {
        // Who was asked for the first time at any second of the first day.
        let mut at = midnight + signed(n) * DAY / signed(many);
        while at < midnight + 3 * DAY {
            if at >= midnight + 2 * DAY {
                polls[hour_of(at)] += 1.0;
                total += 1.0;
            }
            at = target(n, at, ahead);
        }
    }
    (
        polls.map(|polls| polls * 24.0 / total),
        total / real_len(many),
    )
}

#[test]
fn retry_after_takes_the_polls_of_those_who_honour_it_out_of_the_busiest_hours() {
    let ahead = Ahead {
        closed: &[],
        load: shaped,
    };
    let indifferent = Ahead {
        closed: &[],
        load: |_: Timestamp| 1.0,
    };
    let (plain, plain_polls) = third_day(CERTIFICATES / 10, &indifferent);
    let (steered, polls) = third_day(CERTIFICATES, &ahead);
    println!("{plain:.2?}\n{steered:.2?}\n{plain_polls:.3} and {polls:.3} a day");
    // Without it an hour is as good as another; with it nobody comes between 00:00 and 02:00 …
    assert!(
        plain.iter().all(|load| (0.9..1.1).contains(load)),
        "{plain:?}"
    );
    assert!(steered[0] + steered[1] < 1e-9, "{steered:?}");
    // … and no other hour takes all that was moved: it comes sooner, by up to hours. An eighth of
    // the polls have to fit into the hours before, which no spread makes even.
    let most = steered.iter().copied().fold(0.0, f64::max);
    assert!(most < 1.9, "{steered:?}");
    // What the sooner polls cost: one in 12 at most.
    assert!(polls < plain_polls * 1.08, "{polls} and {plain_polls}");
}

/// How uneven the seconds of the minute are: χ² with 59 degrees of freedom.
fn minute_chi_square(times: &[Timestamp]) -> f64 {
    let mut counts = [0.0; 60];
    for at in times {
        counts[length(at.second_of_day() % MINUTE)] += 1.0;
    }
    let expected = real_len(times.len()) / 60.0;
    counts
        .iter()
        .map(|count: &f64| (count - expected).powi(2) / expected)
        .sum()
}

#[test]
fn no_second_of_the_minute_or_hour_is_special() {
    let policy = CaPolicy::named(CaName::default());
    let profile = Profile::learn(&Series::default(), NOW, HOUR, &[]);
    let mut registry = Allocator::default();
    let windows: Vec<Span> = (0..CERTIFICATES)
        .map(|n| {
            let validity = Validity {
                not_before: NOW,
                not_after: NOW + (90 * DAY - 1),
            };
            let draw = Draw {
                policy: &policy,
                profile: &profile,
                now: NOW,
                schedule: Schedule::Unknown,
                certificates: 1,
            };
            let hash = hash(Purpose::Window1, n, 0);
            registry.draw(draw, validity, NOW, hash).unwrap().window
        })
        .collect();
    let long = window_seconds_for_tick(HOUR);
    let starts = starts_for_tick(NOW + 30 * DAY, long);
    let for_ticks: Vec<Span> = (0..CERTIFICATES)
        .map(|n| in_span(hash(Purpose::Window1, n, 1), starts, long, Timestamp::MAX))
        .collect();
    let ahead = Ahead {
        closed: &[],
        load: shaped,
    };
    let starts = |windows: &[Span]| windows.iter().map(|window| window.from).collect();
    let ends = |windows: &[Span]| windows.iter().map(|window| window.to).collect();
    let kinds: [(&str, Vec<Timestamp>); 5] = [
        ("starts", starts(&windows)),
        ("ends", ends(&windows)),
        ("starts of windows for a tick", starts(&for_ticks)),
        ("ends of windows for a tick", ends(&for_ticks)),
        (
            "targets of Retry-After",
            (0..CERTIFICATES).map(|n| target(n, NOW, &ahead)).collect(),
        ),
    ];
    for (kind, times) in kinds {
        // The 99.99 % quantile of χ² with 59 degrees of freedom is 108.3; windows for a tick
        // start at one of 2,101 seconds, which is one more than 35 minutes.
        let off = minute_chi_square(&times);
        assert!(off < 115.0, "{kind}: χ² is {off:.1}");
        let many = real_len(times.len());
        let share = |seconds: i64| {
            let whole = times.iter().filter(|at| at.second_of_day() % seconds == 0);
            real_len(whole.count()) / many
        };
        // Four sigma of a binomial count.
        let sigma = |chance: f64| (chance * (1.0 - chance) / many).sqrt();
        let minute = share(MINUTE);
        assert!(
            (minute - 1.0 / 60.0).abs() < 4.0 * sigma(1.0 / 60.0),
            "{kind}: {minute}"
        );
        let hour = share(HOUR);
        assert!(
            hour < 1.0 / 3_600.0 + 4.0 * sigma(1.0 / 3_600.0),
            "{kind}: {hour}"
        );
    }
}
