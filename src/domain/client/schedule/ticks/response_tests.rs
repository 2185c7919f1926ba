//! Compares responses with simulated clients.

use super::clients_tests::Dice;
use super::{Schedule, Tick};
use crate::allocation::window::in_span;
use crate::allocation::window::{starts_for_tick, window_seconds_for_tick};
use crate::client::schedule::response::{MOST_PIECES, Response};
use crate::math::number::{length, real, real_len};
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// 2026-11-21T00:00:00Z.
const MIDNIGHT: Timestamp = Timestamp::from_unix(1_795_219_200);
const CLIENTS: usize = 20_000;

/// A client that draws again at each run: it renews at the first run after its drawn time, or by
/// its own rule.
fn redraws(
    window: Span,
    own: Option<Timestamp>,
    dice: &mut Dice,
    runs: impl Iterator<Item = Timestamp>,
) -> Timestamp {
    for at in runs {
        let drawn = window.from + dice.below(window.seconds());
        if drawn <= at || own.is_some_and(|own| at >= own) {
            return at;
        }
    }
    panic!("runs end")
}

/// The time of one client's renewal.
fn renews(schedule: Schedule, window: Span, own: Option<Timestamp>, dice: &mut Dice) -> Timestamp {
    let long_before = window.from.min(own.unwrap_or(window.from)) - 3 * DAY;
    let start = long_before - long_before.second_of_day();
    match schedule {
        Schedule::Steered | Schedule::Unknown => {
            let drawn = window.from + dice.below(window.seconds());
            own.map_or(drawn, |own| own.min(drawn))
        }
        Schedule::TenMinutely { tick } => {
            let drawn = window.from + dice.below(window.seconds()) - 10 * MINUTE;
            let due = own.map_or(drawn, |own| own.min(drawn));
            let first = start + tick.second_of_day();
            first + (due - first + 599).div_euclid(600) * 600
        }
        Schedule::Random => {
            let mut chance = Dice::new(dice.next());
            let runs = (0..).map(|half| start + half * 12 * HOUR + chance.below(12 * HOUR));
            redraws(window, own, dice, runs)
        }
        Schedule::Daily { tick }
        | Schedule::Hourly { tick }
        | Schedule::SixHourly { tick }
        | Schedule::TwiceDaily { tick } => {
            let period = schedule.period_seconds().unwrap();
            let runs = (0..).map(|n| start + tick.second_of_day() + n * period);
            redraws(window, own, dice, runs)
        }
    }
}

/// The share of renewals that the response puts into other bins than the clients do, 0 to 1.
fn difference(schedule: Schedule, window: Span, own: Option<Timestamp>) -> f64 {
    let from = window.from.min(own.unwrap_or(window.from)) - DAY;
    // As fine as sampling noise allows.
    let bin_seconds = if window.seconds() < DAY && schedule != Schedule::Random {
        5 * MINUTE
    } else {
        HOUR
    };
    let bins = length((window.to - from + 3 * DAY) / bin_seconds);
    let mut said = vec![0.0; bins];
    for (span, share) in Response::of(schedule).arrivals(window, own) {
        for (bin, said) in said.iter_mut().enumerate() {
            let at = from + i64::try_from(bin).unwrap() * bin_seconds;
            let overlap = span.overlap_seconds(Span {
                from: at,
                to: at + bin_seconds,
            });
            *said += share * real(overlap) / real(span.seconds());
        }
    }
    let mut dice = Dice::new(7);
    for _ in 0..CLIENTS {
        let at = renews(schedule, window, own, &mut dice);
        said[length((at - from) / bin_seconds)] -= 1.0 / real_len(CLIENTS);
    }
    said.iter().map(|off| off.abs()).sum::<f64>() / 2.0
}

fn schedules() -> Vec<Schedule> {
    let tick = Tick::at((3 * 60 + 17) * 2);
    vec![
        Schedule::Unknown,
        Schedule::Daily { tick },
        Schedule::TwiceDaily { tick },
        Schedule::SixHourly { tick },
        Schedule::Hourly { tick },
        Schedule::TenMinutely { tick },
        Schedule::Steered,
        Schedule::Random,
    ]
}

fn span(from: i64, seconds: i64) -> Span {
    Span {
        from: MIDNIGHT + from,
        to: MIDNIGHT + from + seconds,
    }
}

#[test]
fn a_response_is_what_clients_do() {
    // Before a tick, over one, over several, over midnight, and in the last minutes of a half-day.
    let windows = [
        span(2 * HOUR, 900),
        span(3 * HOUR + 10 * MINUTE, 900),
        span(3 * HOUR + 20 * MINUTE, 900),
        span(1_234, 9_000),
        span(-600, 1_200),
        span(11 * HOUR + 50 * MINUTE, 900),
        span(5_000, 26 * HOUR),
    ];
    for schedule in schedules() {
        for window in windows {
            for own in [
                None,
                Some(window.from + 400),
                Some(window.to + HOUR),
                Some(window.from - 2 * HOUR),
            ] {
                let off = difference(schedule, window, own);
                // Sampling noise for 20,000 clients in 30 bins is 1.5 %.
                assert!(off < 0.03, "{schedule:?} {window:?} {own:?}: {off:.4}");
            }
        }
    }
}

#[test]
fn shares_sum_to_one_in_few_pieces_however_long_the_window() {
    for schedule in schedules() {
        for seconds in [0, 1, 30, 600, 900, HOUR, DAY, 3 * DAY, 30 * DAY] {
            for own in [None, Some(MIDNIGHT), Some(MIDNIGHT + 90 * DAY)] {
                let pieces: Vec<(Span, f64)> = Response::of(schedule)
                    .arrivals(span(777, seconds), own)
                    .collect();
                let sum: f64 = pieces.iter().map(|(_, share)| share).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{schedule:?} {seconds}: {sum}");
                assert!(pieces.len() <= MOST_PIECES);
                assert!(
                    pieces
                        .iter()
                        .all(|(span, share)| span.seconds() > 0 && *share > 0.0)
                );
                assert!(pieces.windows(2).all(|two| two[0].0.to <= two[1].0.from));
            }
        }
    }
}

#[test]
fn a_long_window_is_known_to_the_hour() {
    // Three days, as in an incident: pieces are merged, and stay within a few per cent.
    for schedule in schedules() {
        let off = difference(schedule, span(5_000, 3 * DAY), None);
        assert!(off < 0.06, "{schedule:?}: {off:.4}");
    }
}

#[test]
fn a_window_for_a_tick_brings_the_client_at_that_tick() {
    for schedule in schedules() {
        let band = span(0, DAY);
        for tick in schedule.choices(band) {
            for n in 0..100_u128 {
                let long = window_seconds_for_tick(HOUR);
                let starts = starts_for_tick(tick, long);
                let hash = n * 184_467_440_737_095_516;
                let window = in_span(hash, starts, long, Timestamp::MAX);
                let arrivals: Vec<_> = Response::of(schedule).arrivals(window, None).collect();
                assert_eq!(arrivals.len(), 1, "{schedule:?} {tick} {window:?}");
                assert_eq!(arrivals[0].0.from, tick);
            }
        }
    }
}

#[test]
fn other_timers_with_a_random_delay_come_in_about_the_same_hours() {
    // mod_md polls every 6 to 18 hours, and draws a time from half a window before the start to
    // half a window before the end.
    let window = span(5 * HOUR, 900);
    let mut dice = Dice::new(11);
    let mut hours = [0.0; 48];
    for _ in 0..CLIENTS {
        let mut at = MIDNIGHT - 5 * DAY + dice.below(DAY);
        let due = loop {
            let drawn = window.from - 450 + dice.below(900);
            if drawn <= at {
                break at;
            }
            at = at + 6 * HOUR + dice.below(12 * HOUR);
        };
        hours[length((due - MIDNIGHT) / HOUR)] += 1.0 / real_len(CLIENTS);
    }
    for (span, share) in Response::of(Schedule::Random).arrivals(window, None) {
        for (hour, said) in hours.iter_mut().enumerate() {
            let from = MIDNIGHT + i64::try_from(hour).unwrap() * HOUR;
            let overlap = span.overlap_seconds(Span {
                from,
                to: from + HOUR,
            });
            *said -= share * real(overlap) / real(span.seconds());
        }
    }
    let off = hours.iter().map(|off: &f64| off.abs()).sum::<f64>() / 2.0;
    // If it were recorded as the window, all but the first quarter of an hour would be misplaced:
    // 0.97.
    assert!(off < 0.25, "{off:.3}");
}
