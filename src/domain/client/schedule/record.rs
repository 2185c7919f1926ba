//! What the polls of one certificate have shown, in eight octets.
//!
//! | bits | what |
//! |---|---|
//! | 0 to 25 | the last poll, in half-minutes since 2020 (63 years); 0: never polled |
//! | 26 to 37 | the anchor: the half-minute of the day around which the polls fall |
//! | 38 to 55 | six counts of 3 bits: polls that agree with a period of 24 h, 12 h, 6 h, 1 h, 10 min, none |
//! | 56 to 59 | how far its client comes back as `Retry-After` asks |
//! | 60 to 61 | what became of the window: [`Fate`] |
//!
//! A poll agrees with the longest period of which it lies a whole number away from the anchor or
//! from the poll before. Where a count is full, one more poll takes one from each of the others:
//! what is rare fades, so that one stranger's poll or one missed tick decides nothing for long,
//! and two or three that are as frequent stay side by side.

use super::ticks::{HALF_MINUTE, Schedule, Tick};
use crate::client::fate::Fate;
use crate::math::number::{real, whole};
use crate::time::{DAY, MINUTE, Timestamp};

/// 2020-01-01T00:00:00Z, a midnight.
pub(super) const EPOCH: i64 = 1_577_836_800;
/// Half-minutes in a day.
const UNITS_IN_DAY: i64 = DAY / HALF_MINUTE;
/// Polls closer together than this count as one visit: clients with several names, retries, floods.
/// It is shorter than the fastest tick, ten minutes. Nothing is written within it.
const ONE_VISIT_UNITS: i64 = 8 * MINUTE / HALF_MINUTE;
/// The periods to detect, and the tolerance of a tick, in half-minutes: eight minutes for a day,
/// half a day and six hours (lego sleeps up to that long), three for the hour, half a minute for
/// the daemon's ten minutes. A random poll agrees with them once in 87, 44, 22, 9 and 7 times.
const PERIODS: [(i64, i64); 5] = [(2_880, 16), (1_440, 16), (720, 16), (120, 6), (20, 1)];
/// A period counts as the client's after this many polls.
const SETTLED: i64 = 3;
/// Each poll moves the anchor by at most a minute towards the middle of their scatter.
const NUDGE_UNITS: i64 = 2;
/// A poll may be an answer to `Retry-After` if it comes after at least this fraction of the base:
/// targets are moved forward to 0.4 × the base at most.
const SOONEST: f64 = 0.4;
/// … and after at most 1.2 × the base plus the ten-minute tick that follows, plus two minutes.
const LATEST: f64 = 1.2;
const LATE_SECONDS: i64 = 12 * MINUTE;

/// Ticks that differ by less than this are treated as the same outside this module.
const MEANT_SECONDS: i64 = 15 * MINUTE;

/// The bit fields of the record, lowest first.
pub(super) const LAST_BITS: u32 = 26;
const LAST: Field = Field::new(0, LAST_BITS);
const ANCHOR: Field = Field::new(26, 12);
const COUNTS_SHIFT: u32 = 38;
const COUNT_BITS: u32 = 3;
const STEERED: Field = Field::new(56, 4);
const FATE: Field = Field::new(60, 2);
/// The bits of all counts.
const COUNTED: u64 = 0o777_777 << COUNTS_SHIFT;
/// One in each of the counts.
const ONES: u64 = 0o111_111 << COUNTS_SHIFT;
/// A client is taken to honour `Retry-After` after this many such polls. A random poll looks like
/// one once in six times.
const HONOURS: i64 = 4;

/// The record of one certificate's polls.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Polls(u64);

/// What a record says, in rounded form.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Meaning(u16);

/// How a poll relates to the previous `Retry-After`.
#[derive(Clone, Copy)]
enum Answer {
    AsAsked,
    Other,
}

/// A bit field of a record.
#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    mask: u64,
}

impl Field {
    const fn new(shift: u32, bits: u32) -> Self {
        Self {
            shift,
            mask: (1 << bits) - 1,
        }
    }

    const fn of(self, record: u64) -> u64 {
        (record >> self.shift) & self.mask
    }

    /// `record` with this field set; a value that does not fit is truncated.
    const fn set(self, record: u64, value: u64) -> u64 {
        (record & !(self.mask << self.shift)) | ((value & self.mask) << self.shift)
    }

    /// As [`Field::set`], for numbers that are never negative.
    const fn put(self, record: u64, value: i64) -> u64 {
        self.set(record, value.unsigned_abs())
    }

    /// The field's value; fields have at most 26 bits.
    const fn number(self, record: u64) -> i64 {
        self.of(record).cast_signed()
    }
}

impl Polls {
    /// The record from its packed form ([`Polls::packed`]).
    #[must_use]
    pub const fn from_packed(record: u64) -> Self {
        Self(record)
    }

    /// The record as one number, below 2^62.
    #[must_use]
    pub const fn packed(self) -> u64 {
        self.0
    }

    /// Whether the certificate was ever polled.
    #[must_use]
    pub const fn is_polled(self) -> bool {
        LAST.of(self.0) != 0
    }

    /// The time of the last poll, to the half-minute.
    #[must_use]
    pub const fn last(self) -> Option<Timestamp> {
        match LAST.number(self.0) {
            0 => None,
            units => Some(Timestamp::from_unix(EPOCH + units * HALF_MINUTE)),
        }
    }

    /// The record after a poll at `at`, when the client's previous `Retry-After` was `base_seconds`
    /// ± 20 %. Returns the same record if the poll adds no information.
    #[must_use]
    pub fn seen(self, at: Timestamp, base_seconds: i64) -> Self {
        let now = ((at.unix() - EPOCH) / HALF_MINUTE).clamp(1, LAST.mask.cast_signed());
        let last = LAST.number(self.0);
        let lapse = now - last;
        if last != 0 && lapse < ONE_VISIT_UNITS {
            return self;
        }
        let of_day = now % UNITS_IN_DAY;
        let record = LAST.put(self.0, now);
        let knows = record & COUNTED != 0;
        if last == 0 && !knows {
            return Self(ANCHOR.put(record, of_day));
        }
        let off = of_day - ANCHOR.number(record);
        let to_anchor = period_of(off);
        let to_last = if last == 0 {
            PERIODS.len()
        } else {
            period_of(lapse)
        };
        let moved = to_last < to_anchor && self.has_moved(to_anchor, to_last);
        let anchored = if moved || (to_anchor == PERIODS.len() && !self.is_anchored()) {
            of_day
        } else if to_anchor < 4 {
            let (period, _) = PERIODS[to_anchor];
            let nudge = centred(off, period).clamp(-NUDGE_UNITS, NUDGE_UNITS);
            (ANCHOR.number(record) + nudge).rem_euclid(UNITS_IN_DAY)
        } else {
            ANCHOR.number(record)
        };
        let period = if moved || to_anchor == PERIODS.len() {
            to_last
        } else {
            to_anchor
        };
        let record = Self(ANCHOR.put(record, anchored)).counted(period);
        if last == 0 {
            return record;
        }
        record.steered(answers(lapse * HALF_MINUTE, base_seconds))
    }

    /// Whether the anchor is in the wrong place: the poll agrees with a longer period counted from
    /// the previous poll than counted from the anchor. Either nothing is settled yet, or the client
    /// kept its period and changed its tick, as after an edit of its crontab.
    fn has_moved(self, to_anchor: usize, to_last: usize) -> bool {
        let is_settled = |period| self.count(period) >= SETTLED;
        if (0..PERIODS.len()).any(is_settled) {
            is_settled(to_last) && !is_settled(to_anchor)
        } else {
            true
        }
    }

    /// Counts a poll that agrees with the period of this index.
    fn counted(self, period: usize) -> Self {
        let count = count_field(period);
        if count.of(self.0) < count.mask {
            return Self(self.0 + (1 << count.shift));
        }
        let others = self.0 & COUNTED & !(count.mask << count.shift);
        Self(self.0 - ((others | others >> 1 | others >> 2) & ONES))
    }

    /// Counts whether a poll came when `Retry-After` asked; one that did not weighs twice.
    const fn steered(self, answer: Answer) -> Self {
        let steered = STEERED.number(self.0);
        let counted = match answer {
            Answer::AsAsked if steered < STEERED.mask.cast_signed() => steered + 1,
            Answer::Other if steered > 1 => steered - 2,
            Answer::AsAsked => steered,
            Answer::Other => 0,
        };
        Self(STEERED.put(self.0, counted))
    }

    fn count(self, period: usize) -> i64 {
        count_field(period).number(self.0)
    }

    /// Whether more polls agree with the anchor than do not.
    fn is_anchored(self) -> bool {
        (0..5).map(|period| self.count(period)).sum::<i64>() > self.count(PERIODS.len())
    }

    /// Whether the client returns when `Retry-After` asks it to.
    const fn honours(self) -> bool {
        STEERED.number(self.0) >= HONOURS
    }

    /// The schedule that the polls suggest.
    #[must_use]
    pub fn schedule(self) -> Schedule {
        let [daily, half, quarter, hourly, ticking, none] =
            std::array::from_fn(|period| self.count(period));
        let strays = ticking + none;
        let anchor = ANCHOR.number(self.0);
        let tick = |period: usize| Tick::at(anchor % PERIODS[period].0);
        // Polls that fit only a shorter period speak against a longer one, with three times the
        // weight of a stray poll. A client with the longer period makes none of them; strangers
        // make strays.
        let fits = |needed, agree: i64, shorter: i64, strays: i64| {
            agree >= needed && shorter * 3 <= agree && strays <= agree
        };
        let twice = daily + half;
        let four_times = twice + quarter;
        let by_the_hour = four_times + hourly;
        // How many polls must agree before a period is believed. A period that a random poll
        // matches once in 87 needs one; one that is matched once in nine needs six.
        if fits(1, daily, half + quarter + hourly, strays) {
            Schedule::Daily { tick: tick(0) }
        } else if fits(2, twice, quarter + hourly, strays * 2) {
            Schedule::TwiceDaily { tick: tick(1) }
        } else if fits(3, four_times, hourly, strays * 2) {
            Schedule::SixHourly { tick: tick(2) }
        } else if fits(6, by_the_hour, 0, strays * 3) {
            Schedule::Hourly { tick: tick(3) }
        } else if fits(6, by_the_hour + ticking, 0, none * 4) {
            Schedule::TenMinutely { tick: tick(4) }
        } else if self.honours() && none * 2 >= by_the_hour + ticking {
            Schedule::Steered
        } else if strays >= 4 && strays > by_the_hour * 2 {
            Schedule::Random
        } else {
            Schedule::Unknown
        }
    }

    /// The longest time in seconds until such a client polls again, with a `Retry-After` of
    /// `base_seconds` + 20 % at most.
    #[must_use]
    pub fn interval_seconds(self, base_seconds: i64) -> i64 {
        let steered = whole(real(base_seconds) * LATEST) + LATE_SECONDS;
        let schedule = self.schedule();
        match schedule {
            Schedule::Steered => steered,
            // A client with a short tick that honours `Retry-After` polls at the first tick after
            // it.
            Schedule::Hourly { .. } | Schedule::TenMinutely { .. } if self.honours() => {
                steered + schedule.period_seconds().unwrap_or(0)
            }
            _ => schedule.period_seconds().unwrap_or(DAY),
        }
    }

    /// The outcome of the window, as judged earlier.
    #[must_use]
    pub const fn fate(self) -> Fate {
        match FATE.of(self.0) {
            1 => Fate::Kept,
            2 => Fate::Broken,
            _ => Fate::NotYet,
        }
    }

    /// The record with this outcome in it.
    #[must_use]
    pub const fn judged(self, fate: Fate) -> Self {
        let code = match fate {
            Fate::NotYet => 0,
            Fate::Kept => 1,
            Fate::Broken => 2,
        };
        Self(FATE.set(self.0, code))
    }

    /// What a renewed certificate inherits from its predecessor: the client's schedule, but no poll
    /// and no outcome.
    #[must_use]
    pub const fn inherited(self) -> Self {
        Self(LAST.set(self.judged(Fate::NotYet).0, 0))
    }

    /// Merges two processes' records of the same certificate: the newer one, with the outcome of
    /// either. A record with polls wins over one without.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let (older, newer) = if LAST.of(other.0) >= LAST.of(self.0) {
            (self, other)
        } else {
            (other, self)
        };
        let fate = match (older.fate(), newer.fate()) {
            (Fate::Broken, _) | (_, Fate::Broken) => Fate::Broken,
            (Fate::Kept, _) | (_, Fate::Kept) => Fate::Kept,
            (Fate::NotYet, Fate::NotYet) => Fate::NotYet,
        };
        // A process that has just started to record knows the last poll but no schedule.
        let newer =
            if older.schedule() != Schedule::Unknown && newer.schedule() == Schedule::Unknown {
                Self(LAST.set(older.0, LAST.of(newer.0)))
            } else {
                newer
            };
        newer.judged(fate)
    }

    /// The part of a record that others need; if it is unchanged, the record need not be stored.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        let schedule = self.schedule();
        let of_day = schedule.tick().map_or(0, Tick::second_of_day);
        let bits = i64::from(self.is_polled())
            | i64::from(schedule.code()) << 1
            | FATE.number(self.0) << 4
            | (of_day / MEANT_SECONDS) << 6;
        Meaning(u16::try_from(bits).unwrap_or(u16::MAX))
    }
}

impl Meaning {
    /// Whether this differs from `other` in whether it was polled, the kind of schedule, the tick
    /// (by more than a quarter of an hour), or the outcome.
    #[must_use]
    pub fn differs(self, other: Self) -> bool {
        let apart = i64::from(self.0 >> 6) - i64::from(other.0 >> 6);
        let apart = centred(apart, DAY / MEANT_SECONDS).abs();
        self.0 & 0b11_1111 != other.0 & 0b11_1111 || apart > 1
    }
}

const fn count_field(period: usize) -> Field {
    let mut shift = COUNTS_SHIFT;
    let mut left = period;
    while left > 0 {
        shift += COUNT_BITS;
        left -= 1;
    }
    Field::new(shift, COUNT_BITS)
}

/// The index of the longest period of which `units` is a multiple, within the tolerance of its
/// ticks.
fn period_of(units: i64) -> usize {
    PERIODS
        .iter()
        .position(|(period, off)| centred(units, *period).abs() <= *off)
        .unwrap_or(PERIODS.len())
}

/// `units` modulo `period`, from −½ to ½ a period.
const fn centred(units: i64, period: i64) -> i64 {
    (units + period / 2).rem_euclid(period) - period / 2
}

/// Whether a client with a `Retry-After` of `base_seconds` that returned after `lapse_seconds` may
/// have honoured it.
fn answers(lapse_seconds: i64, base_seconds: i64) -> Answer {
    let base = real(base_seconds);
    let latest = whole(base * LATEST) + LATE_SECONDS;
    if real(lapse_seconds) >= base * SOONEST && lapse_seconds <= latest {
        Answer::AsAsked
    } else {
        Answer::Other
    }
}
