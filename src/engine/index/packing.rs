//! An entry in the 158 bits of a record.
//!
//! | column | bits | what |
//! |---|---|---|
//! | start | 32 | the window's start, in seconds since 1970 |
//! | facts | 0 to 16 | the kind's number: CA, lag, life, window's length, incident, f, group, flags |
//! | | 17 to 35 | the window's start less the issuance and two days more, in minutes: 362 days |
//! | | 36 to 47 | the time from issuance to registration, by its code |
//! | | 48 to 56 | how its client is booked to renew, by its code |
//! | | 57 | whether something new is to be stored of its polls |
//! | | 58 to 61 | replaced, replaced when it came, and when it was renewed |
//! | polls | 0 to 19 | the last poll, in half-minutes since two days before the issuance: 364 days |
//! | | 20 to 55 | the rest of [`Polls`] |
//! | | 56 | whether it was asked for since an incident moved it |
//! | | 57 | whether the store knows that it was polled |
//! | | 58 to 63 | f as booked, by its code |
//!
//! What does not fit, a life of two years or a window after 2106, is kept whole elsewhere.

use super::entry::{Came, Entry};
use super::quantized::{
    DELAY_BITS, FOLLOWS_BITS, RHYTHM_BITS, delay_code, delay_of, follows_code, follows_of,
    of_hundredths, rhythm_of, schedule_code, to_hundredths,
};
use super::shared_fields::{KIND_BITS, Kind, SharedFields};
use super::table::Record;
use crate::domain::certificate::Validity;
use crate::domain::client::schedule::{Polls, Response};
use crate::domain::ledger::Expected;
use crate::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp};
use crate::engine::index::group::Renewal;

/// A bit field of a word.
#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    bits: u32,
}

const KIND: Field = Field::new(0, KIND_BITS);
const AHEAD: Field = KIND.next(19);
const DELAY: Field = AHEAD.next(DELAY_BITS);
const RHYTHM: Field = DELAY.next(RHYTHM_BITS);
const NEWS: Field = RHYTHM.next(1);
const REPLACED: Field = NEWS.next(1);
const CAME: Field = REPLACED.next(1);
const RENEWAL: Field = CAME.next(2);

const POLLS: Field = Field::new(0, Polls::RELATIVE_BITS);
const TOLD: Field = POLLS.next(1);
const KNOWN: Field = TOLD.next(1);
const FOLLOWS: Field = KNOWN.next(FOLLOWS_BITS);

/// A window may be moved to before the stated issuance, because of backdating and clocks.
const BEFORE_SECONDS: i64 = 2 * DAY;

impl Field {
    const fn new(shift: u32, bits: u32) -> Self {
        Self { shift, bits }
    }

    const fn next(self, bits: u32) -> Self {
        Self::new(self.shift + self.bits, bits)
    }

    const fn of(self, word: u64) -> u64 {
        word >> self.shift & ((1 << self.bits) - 1)
    }

    /// The value in its field; `None` if it is too large.
    const fn put(self, value: u64) -> Option<u64> {
        if value >> self.bits == 0 {
            Some(value << self.shift)
        } else {
            None
        }
    }
}

/// The start from which a certificate's polls are counted.
fn polls_from(issued_at: Timestamp) -> Timestamp {
    issued_at - BEFORE_SECONDS
}

/// An entry as a record; `None` if it does not fit.
pub(super) fn pack(entry: &Entry, shared_fields: &SharedFields) -> Option<Record> {
    let lag = entry.issued_at - entry.validity.not_before;
    let kind = Kind {
        ca: entry.ca,
        lag_hours: i16::try_from(lag / HOUR).ok()?,
        life_seconds: u32::try_from(entry.validity.life_seconds()).ok()?,
        window_seconds: u32::try_from(entry.window.to - entry.window.from).ok()?,
        moved_by: entry.moved_by,
        follows: entry.follows.map(to_hundredths),
        group: entry.group,
        hour_known: entry.hour_known,
        steered: entry.steered,
    };
    // A kind is allocated only if everything else fits.
    let record = repack(entry, 0)?;
    Some(Record {
        facts: record.facts | KIND.put(u64::from(shared_fields.number(kind)?))?,
        ..record
    })
}

/// An entry as a record with the same kind as before, if no shared field has changed.
pub(super) fn repack(entry: &Entry, facts_before: u64) -> Option<Record> {
    let start = entry.window.from.unix();
    let ahead = start.div_euclid(MINUTE) - (entry.issued_at.unix() - BEFORE_SECONDS) / MINUTE;
    let schedule = schedule_code(entry.expected.response.schedule());
    let renewal = match entry.renewal {
        Renewal::Unknown => 0,
        Renewal::After => 1,
        Renewal::Before => 2,
        Renewal::InWindow => 3,
    };
    Some(Record {
        start: u32::try_from(start).ok()?,
        polls: polls_word(entry)?,
        facts: KIND.put(KIND.of(facts_before))?
            | AHEAD.put(u64::try_from(ahead).ok()?)?
            | DELAY.put(delay_code(entry.registered_at - entry.issued_at)?)?
            | RHYTHM.put(u64::from(schedule))?
            | NEWS.put(u64::from(entry.news))?
            | REPLACED.put(u64::from(entry.replaced))?
            | CAME.put(u64::from(entry.came == Came::Replaced))?
            | RENEWAL.put(renewal)?,
    })
}

/// The column of polls.
pub(super) fn polls_word(entry: &Entry) -> Option<u64> {
    let follows = follows_code(entry.expected.follows, entry.follows);
    let polls = entry.polls().relative_to(polls_from(entry.issued_at));
    Some(
        POLLS.put(polls?)?
            | TOLD.put(u64::from(entry.polled_since_move))?
            | KNOWN.put(u64::from(entry.known))?
            | FOLLOWS.put(u64::from(follows))?,
    )
}

/// The entry of a record; `None` if its kind is unknown.
pub(super) fn unpack(record: Record, shared_fields: &SharedFields) -> Option<Entry> {
    let Record {
        polls,
        facts,
        start,
    } = record;
    let kind = shared_fields.of(u32::try_from(KIND.of(facts)).ok()?)?;
    let from = Timestamp::from_unix(i64::from(start));
    let ahead = AHEAD.of(facts).cast_signed();
    let issued_at =
        Timestamp::from_unix((i64::from(start) / MINUTE - ahead) * MINUTE) + BEFORE_SECONDS;
    let not_before = issued_at - i64::from(kind.lag_hours) * HOUR;
    let follows = kind.follows.map(of_hundredths);
    let follows_now = u8::try_from(FOLLOWS.of(polls)).unwrap_or(0);
    let schedule = rhythm_of(u16::try_from(RHYTHM.of(facts)).unwrap_or(0));
    Some(Entry {
        ca: kind.ca,
        validity: Validity {
            not_before,
            not_after: not_before + (i64::from(kind.life_seconds) - 1),
        },
        issued_at,
        registered_at: issued_at + delay_of(DELAY.of(facts)),
        window: Span {
            from,
            to: from + i64::from(kind.window_seconds),
        },
        hour_known: kind.hour_known,
        steered: kind.steered,
        replaced: REPLACED.of(facts) == 1,
        group: kind.group,
        renewal: match RENEWAL.of(facts) {
            0 => Renewal::Unknown,
            1 => Renewal::After,
            2 => Renewal::Before,
            _ => Renewal::InWindow,
        },
        moved_by: kind.moved_by,
        polled_since_move: TOLD.of(polls) == 1,
        follows,
        expected: Expected {
            follows: follows_of(follows_now, follows),
            response: Response::of(schedule),
        },
        came: match CAME.of(facts) {
            0 => Came::Live,
            _ => Came::Replaced,
        },
        polls: Polls::from_relative(POLLS.of(polls), polls_from(issued_at)),
        news: NEWS.of(facts) == 1,
        known: KNOWN.of(polls) == 1,
    })
}
