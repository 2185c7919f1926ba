//! Values that an entry stores with reduced precision, to save space. Each value is rounded once,
//! when the entry is created, and the rounded value is added to the sums, so that exactly the same
//! value can be removed.

use crate::domain::client::following::SILENT_FOLLOWS;
use crate::domain::client::schedule::{Response, Schedule, Tick};
use crate::domain::math::number::whole;
use crate::domain::time::{DAY, HOUR, MINUTE, Timestamp};

/// Half-minutes in the ledger's grain of five minutes. Where in it a tick lies makes no difference.
const GRAIN: i64 = 10;
/// A tick within this many half-minutes of the recorded one counts as the same. It moves by up to a
/// minute with each poll, and five minutes are the ledger's grain.
const SAME_TICK: i64 = 10;

/// The schedules with ticks: their period and resolution in half-minutes, and their first code.
/// Codes 0 to 2 are the schedules without ticks.
const TICKING: [(i64, i64, u16); 5] = [
    (20, GRAIN, 3),
    (120, GRAIN, 5),
    // A coarser resolution keeps all codes below 512; few clients wake four times a day.
    (720, 2 * GRAIN, 17),
    (1_440, GRAIN, 53),
    (2_880, GRAIN, 197),
];
/// The bits of a schedule's code; the last one is 484.
pub(super) const RHYTHM_BITS: u32 = 9;

/// The minute of an instant. The ledger and the series have no finer resolution.
pub(super) const fn minute(at: Timestamp) -> Timestamp {
    Timestamp::from_unix(at.unix().div_euclid(MINUTE) * MINUTE)
}

/// A lifetime in seconds, rounded to the minute if it is a day or longer, where a minute is less
/// than a thousandth.
pub(super) fn life_seconds(seconds: i64) -> i64 {
    if seconds < DAY {
        seconds
    } else {
        (seconds + MINUTE / 2).div_euclid(MINUTE) * MINUTE
    }
}

/// f at registration, rounded to a hundredth. Smaller changes are ignored anyway.
pub(in crate::engine) fn hundredths(follows: Option<f64>) -> Option<f64> {
    follows.map(|follows| of_hundredths(to_hundredths(follows)))
}

pub(super) fn to_hundredths(follows: f64) -> u8 {
    u8::try_from(whole((follows.clamp(0.0, 1.0) * 100.0).round())).unwrap_or(0)
}

pub(super) fn of_hundredths(hundredths: u8) -> f64 {
    f64::from(hundredths) / 100.0
}

/// The bits of the code for f.
pub(super) const FOLLOWS_BITS: u32 = 6;
/// Codes: as at registration, silent, and then shares: from 0 in steps of 5 hundredths, and from a
/// half on, where measured shares lie, in steps of one.
const AS_REGISTERED: u8 = 0;
const SILENT: u8 = 1;
const FIRST_SHARE: u8 = 2;
const STEPS_BELOW_HALF: u8 = 10;

/// The code of the present f, for a certificate with `registered` at registration.
pub(super) fn follows_code(follows: Option<f64>, registered: Option<f64>) -> u8 {
    match follows {
        None => AS_REGISTERED,
        Some(_) if follows == registered => AS_REGISTERED,
        Some(follows) if (follows - SILENT_FOLLOWS).abs() < 1e-9 => SILENT,
        Some(follows) => {
            let hundredths = to_hundredths(follows);
            if hundredths < 48 {
                FIRST_SHARE + (hundredths + 2) / 5
            } else {
                FIRST_SHARE + STEPS_BELOW_HALF + hundredths.max(50) - 50
            }
        }
    }
}

/// The inverse of [`follows_code`].
pub(super) fn follows_of(code: u8, registered: Option<f64>) -> Option<f64> {
    match code {
        AS_REGISTERED => registered,
        SILENT => Some(SILENT_FOLLOWS),
        code => {
            let step = code - FIRST_SHARE;
            Some(if step < STEPS_BELOW_HALF {
                of_hundredths(step * 5)
            } else {
                of_hundredths(step - STEPS_BELOW_HALF + 50)
            })
        }
    }
}

/// Half-minutes from midnight to a tick.
fn half_minutes(tick: Tick) -> i64 {
    tick.second_of_day() / 30
}

/// The code of a schedule.
pub(super) fn schedule_code(schedule: Schedule) -> u16 {
    let of = |at: usize, tick: Tick| {
        let (period, apart, first) = TICKING[at];
        let number = half_minutes(tick) % period / apart;
        first + u16::try_from(number).unwrap_or(0)
    };
    match schedule {
        Schedule::Unknown => 0,
        Schedule::Random => 1,
        Schedule::Steered => 2,
        Schedule::TenMinutely { tick } => of(0, tick),
        Schedule::Hourly { tick } => of(1, tick),
        Schedule::SixHourly { tick } => of(2, tick),
        Schedule::TwiceDaily { tick } => of(3, tick),
        Schedule::Daily { tick } => of(4, tick),
    }
}

/// The inverse of [`schedule_code`], with the tick in the middle of its range.
pub(super) fn rhythm_of(code: u16) -> Schedule {
    let at = TICKING.iter().rposition(|(_, _, first)| code >= *first);
    let Some(at) = at else {
        return match code {
            1 => Schedule::Random,
            2 => Schedule::Steered,
            _ => Schedule::Unknown,
        };
    };
    let (_, apart, first) = TICKING[at];
    let tick = Tick::at(i64::from(code - first) * apart + apart / 2);
    match at {
        0 => Schedule::TenMinutely { tick },
        1 => Schedule::Hourly { tick },
        2 => Schedule::SixHourly { tick },
        3 => Schedule::TwiceDaily { tick },
        _ => Schedule::Daily { tick },
    }
}

/// How a client whose polls show `schedule` is expected to renew, if `before` was expected so far.
/// It stays the same unless the kind of schedule has changed or its tick has moved.
pub(super) fn response(schedule: Schedule, before: Response) -> Response {
    let known = before.schedule();
    if schedule == Schedule::Unknown {
        // Earlier polls, or the window, say more than nothing.
        return before;
    }
    if known.code() == schedule.code()
        && let Some((was, is)) = known.tick().zip(schedule.tick())
        && let Some(period) = known.period_seconds()
    {
        let period = period / 30;
        let apart = (half_minutes(is) - half_minutes(was)).rem_euclid(period);
        if apart.min(period - apart) <= SAME_TICK {
            return before;
        }
    }
    Response::of(rhythm_of(schedule_code(schedule)))
}

/// The response for the code of its schedule.
pub(super) fn coarse_response(response: Response) -> Response {
    Response::of(rhythm_of(schedule_code(response.schedule())))
}

/// The bits of the code for the time from issuance to registration.
pub(super) const DELAY_BITS: u32 = 12;
/// For each range of delays: its start, its step, and its first code. Steps are quarters of an
/// hour; after a day, hours; after five months, thirteen hours; up to a year. For a certificate
/// registered that late, a coarse time makes no difference.
const DELAYS: [(i64, i64, i64); 3] = [
    (0, 15 * MINUTE, 0),
    (DAY, HOUR, 96),
    (151 * DAY, 13 * HOUR, 3_696),
];

/// The code of the time from issuance to registration, rounded up; `None` if it is too long.
pub(super) fn delay_code(seconds: i64) -> Option<u64> {
    let seconds = seconds.max(0);
    let (from, step, first) = DELAYS
        .into_iter()
        .rev()
        .find(|(from, ..)| seconds >= *from)?;
    let code = first + (seconds - from + step - 1) / step;
    (code < 1 << DELAY_BITS).then_some(code.unsigned_abs())
}

/// The inverse of [`delay_code`], in seconds.
pub(super) fn delay_of(code: u64) -> i64 {
    let code = code.cast_signed();
    let of = DELAYS.into_iter().rev().find(|(.., first)| code >= *first);
    let (from, step, first) = of.unwrap_or(DELAYS[0]);
    from + (code - first) * step
}

/// A measured f, rounded to what can be stored.
pub(super) fn share(follows: Option<f64>, registered: Option<f64>) -> Option<f64> {
    follows_of(follows_code(follows, registered), registered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_for_its_values() {
        for code in 0..485 {
            let schedule = rhythm_of(code);
            assert_eq!(schedule_code(schedule), code, "{schedule:?}");
        }
        for registered in [None, Some(0.3)] {
            for code in 0..63_u8 {
                let follows = follows_of(code, registered);
                let again = follows_of(follows_code(follows, registered), registered);
                assert_eq!(again, follows, "{code}");
            }
        }
        for code in 0..1 << DELAY_BITS {
            let again = delay_code(delay_of(code)).unwrap();
            assert_eq!(delay_of(again), delay_of(code), "{code}");
        }
    }

    #[test]
    fn coarse_is_near() {
        for half_minute in (0..2_880).step_by(7) {
            let tick = Tick::at(half_minute);
            let schedule = Schedule::Daily { tick };
            let near = rhythm_of(schedule_code(schedule)).tick().unwrap();
            assert!((near.second_of_day() - tick.second_of_day()).abs() <= 150);
        }
        for seconds in (0..DAY * 365).step_by(7_777) {
            let rounded = delay_of(delay_code(seconds).unwrap());
            let most = match seconds / DAY {
                0 => 15 * MINUTE,
                1..151 => HOUR,
                _ => 13 * HOUR,
            };
            assert!((seconds..seconds + most).contains(&rounded), "{seconds}");
        }
        assert_eq!(delay_code(400 * DAY), None);
        for hundredths in 0..=100 {
            let follows = f64::from(hundredths) / 100.0;
            let kept = share(Some(follows), Some(0.123)).unwrap();
            let most = if follows < 0.5 { 0.025 } else { 1e-9 };
            assert!((kept - follows).abs() < most, "{follows} {kept}");
        }
        assert_eq!(life_seconds(7_776_001), 7_776_000);
        assert_eq!(life_seconds(601), 601);
    }

    #[test]
    fn a_tick_that_moves_a_little_is_the_same() {
        let daily = |half_minute| Schedule::Daily {
            tick: Tick::at(half_minute),
        };
        let booked = response(daily(3), Response::default());
        assert_eq!(booked, Response::of(daily(5)));
        for near in [0, 15, 2_875] {
            assert_eq!(response(daily(near), booked), booked, "{near}");
        }
        assert_eq!(response(daily(16), booked), Response::of(daily(15)));
        assert_eq!(response(Schedule::Unknown, booked), booked);
        let steered = Response::of(Schedule::Steered);
        assert_eq!(response(Schedule::Steered, booked), steered);
    }
}
