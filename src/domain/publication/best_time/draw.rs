//! Draws a time by the weights of a published ranking, for callers without ARI.
//!
//! A draw needs only the ranking, no registry and no key. Therefore a server, a replica and a
//! machine without network give the same answer for the same seed.

use std::mem;

use super::allowed::ClockSpan;
use super::read::Ranking;
use chrono::{TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use sha2::{Digest as _, Sha256};

use crate::certificate::hash::mixed;
use crate::policy::capacity::merged;
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

use super::allowed::open_within;
use pieces::{Piece, drawn};
use preferred::preferred;

mod pieces;
mod preferred;

/// The default for how far ahead a time may lie: each hour of the day once.
pub const USUAL_SECONDS: i64 = DAY;
/// The maximum: two months, after which a 90-day certificate is renewed.
const MOST_SECONDS: i64 = 60 * DAY;
/// The number of alternatives: as many as the ranking's `quietest` has.
const ALTERNATIVES: i64 = 3;
/// The allowed slot lengths of a ranking, in minutes.
pub const SLOT_MINUTES: [i64; 4] = [5, 15, 30, 60];
/// The shortest certificate lifetime accepted. ACME CAs issue no shorter ones; 15 % of an hour are
/// nine minutes.
const LEAST_LIFE_SECONDS: i64 = HOUR;
/// Longest seed, in octets. A host name has at most 253 characters.
const LONGEST_SEED: usize = 256;
/// How much of its lifetime a short-lived certificate may be renewed early, in hundredths. This is
/// the band for lifetimes under ten days.
const EARLY_HUNDREDTHS: i64 = 15;

/// The parameters of a draw.
#[derive(Clone, Debug)]
pub struct Question {
    /// How far ahead the time may lie.
    pub within_seconds: i64,
    /// The allowed hours of the day, in local time of `zone`. If empty, all are allowed.
    pub allow: Vec<ClockSpan>,
    /// The time zone of `allow`, the crontab line and the calendar expression.
    pub zone: Tz,
    /// The slot length by which alternatives are distinguished; it divides the day evenly.
    pub slot_seconds: i64,
}

/// The source of randomness of a draw.
#[derive(Clone, Copy, Debug)]
pub enum Chance {
    /// 128 random bits: each call gives another time.
    Fresh(u128),
    /// From [`Chance::seeded`]. Each call gives the same time until that time has come, as long as
    /// ranking and question stay the same. If a day or more is allowed, it is the same time every
    /// day.
    Seeded(u128),
}

/// A drawn time, and alternatives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BestTime {
    /// The drawn time.
    pub at: Timestamp,
    /// Other times, each in a different slot.
    pub alternatives: Vec<Timestamp>,
}

/// No time is left to draw.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTime {
    /// The CA is closed for the whole range.
    #[error("within: the CA is closed until {until}; {}", wider(*.hours, "nothing of the time that may be asked for is open and allowed"))]
    Closed {
        /// When it opens.
        until: Timestamp,
        /// The number of hours for `within` that would work; `None` if none would.
        hours: Option<i64>,
    },
    /// The allowed hours contain no second of an open hour.
    #[error("allow, within: leave no second of an hour with a weight; {}", wider(*.hours, "allow has to be wider"))]
    NotAllowed {
        /// The number of hours for `within` that would work; `None` if none would.
        hours: Option<i64>,
    },
}

/// Suggests what to ask for instead.
fn wider(hours: Option<i64>, none: &str) -> String {
    hours.map_or_else(
        || none.to_owned(),
        |hours| format!("within={hours}h would do"),
    )
}

impl Default for Question {
    fn default() -> Self {
        Self {
            within_seconds: USUAL_SECONDS,
            allow: Vec::new(),
            zone: Tz::UTC,
            slot_seconds: HOUR,
        }
    }
}

impl Question {
    /// How far ahead to look for a certificate with this lifetime: a day, or less for short
    /// lifetimes.
    ///
    /// # Errors
    /// The reason, for a lifetime under an hour.
    pub fn within_for_life(life_seconds: i64) -> Result<i64, String> {
        if life_seconds < LEAST_LIFE_SECONDS {
            return Err("takes a life of 1h or more".to_owned());
        }
        Ok((life_seconds.saturating_mul(EARLY_HUNDREDTHS) / 100).min(USUAL_SECONDS))
    }

    /// Checks how far ahead a caller wants to look, in seconds.
    ///
    /// # Errors
    /// The reason, for less than a second or more than 60 days.
    pub fn within(seconds: i64) -> Result<i64, String> {
        let fits = (1..=MOST_SECONDS).contains(&seconds);
        let wrong = || format!("takes 1s to {}d", MOST_SECONDS / DAY);
        fits.then_some(seconds).ok_or_else(wrong)
    }

    /// The slot length in seconds for a number of minutes; `None` if rankings do not have that
    /// length.
    #[must_use]
    pub fn slot_of_minutes(text: &str) -> Option<i64> {
        let minutes: i64 = text.parse().ok()?;
        SLOT_MINUTES.contains(&minutes).then_some(minutes * MINUTE)
    }

    /// Draws a slot by weight among the allowed ones, then a second in it. Spans that the ranking
    /// says to avoid are left out.
    ///
    /// # Errors
    /// [`NoTime`] if nothing is left.
    pub fn draw(
        &self,
        ranking: &Ranking,
        now: Timestamp,
        chance: Chance,
    ) -> Result<BestTime, NoTime> {
        let ahead = Span {
            from: now + 1,
            to: now + 1 + self.within_seconds,
        };
        let pieces = self.pieces(ranking, ahead);
        let fresh = |hash| drawn(&pieces, mixed(hash, 0));
        let (hash, at) = match chance {
            Chance::Fresh(hash) => (hash, fresh(hash)),
            Chance::Seeded(hash) => {
                let steady = (self.within_seconds >= DAY)
                    .then(|| self.steady(ranking, ahead, hash))
                    .flatten();
                let at = steady.or_else(|| preferred(&pieces, hash));
                (hash, at.or_else(|| fresh(hash)))
            }
        };
        let at = at.ok_or_else(|| self.closed(ranking, ahead))?;
        let alternatives = self.alternatives(pieces, at, hash);
        Ok(BestTime { at, alternatives })
    }

    /// The next time of a seed. It is drawn in whole UTC days rather than from `now`, so that it
    /// stays the same from call to call. `None` if none of these times lies ahead, because the
    /// spans to avoid may differ from day to day.
    fn steady(&self, ranking: &Ranking, ahead: Span, hash: u128) -> Option<Timestamp> {
        let cycle = self.within_seconds / DAY * DAY;
        let begin = Timestamp::from_unix(ahead.from.unix().div_euclid(cycle) * cycle);
        [begin, begin + cycle].into_iter().find_map(|from| {
            let whole = Span {
                from,
                to: from + cycle,
            };
            let at = drawn(&self.pieces(ranking, whole), mixed(hash, 0))?;
            ahead.contains(at).then_some(at)
        })
    }

    fn alternatives(&self, mut pieces: Vec<Piece>, at: Timestamp, hash: u128) -> Vec<Timestamp> {
        let mut taken = at;
        let mut found = Vec::new();
        // Cutting a slot out may leave two pieces of one.
        let mut rest = Vec::with_capacity(pieces.len() + 1);
        for salt in 1..=ALTERNATIVES {
            let slot = self.slot_of(taken);
            for piece in pieces.drain(..) {
                rest.extend(piece.without(slot, self.slot_seconds));
            }
            mem::swap(&mut pieces, &mut rest);
            let Some(next) = drawn(&pieces, mixed(hash, salt)) else {
                break;
            };
            found.push(next);
            taken = next;
        }
        found
    }

    /// Why nothing is left, and what would work. The suggestion is an hour longer than necessary,
    /// so that callers who accept it do not all come in the first seconds.
    fn closed(&self, ranking: &Ranking, ahead: Span) -> NoTime {
        let furthest = Span {
            to: ahead.from + MOST_SECONDS,
            ..ahead
        };
        let first = self.pieces(ranking, furthest).into_iter().next();
        let hours = first.map(|piece| (piece.span.from - ahead.from) / HOUR + 2);
        let hours = hours.map(|hours| hours.min(MOST_SECONDS / HOUR));
        let mut until = ahead.from;
        for span in merged(ranking.avoid.clone()) {
            if span.contains(until) {
                until = span.to;
            }
        }
        if until < ahead.to {
            NoTime::NotAllowed { hours }
        } else {
            NoTime::Closed { until, hours }
        }
    }

    /// The slot of the day that contains an instant.
    fn slot_of(&self, at: Timestamp) -> i64 {
        at.second_of_day() / self.slot_seconds
    }

    /// The drawable pieces of `range`, in order. No piece crosses a slot boundary of the ranking.
    fn pieces(&self, ranking: &Ranking, range: Span) -> Vec<Piece> {
        let slot_seconds = ranking.slot_seconds();
        let mut pieces = Vec::new();
        for open in open_within(range, &self.allow, self.zone, &ranking.avoid) {
            let mut from = open.from;
            while from < open.to {
                let slot_end = Timestamp::from_unix((from.slot(slot_seconds) + 1) * slot_seconds);
                let to = slot_end.min(open.to);
                let weight = ranking.slot_at(from).weight;
                if weight > 0.0 {
                    pieces.push(Piece {
                        span: Span { from, to },
                        per_second: weight,
                    });
                }
                from = to;
            }
        }
        pieces
    }
}

impl Chance {
    /// From a seed. The seed need not be secret: a caller who picks a seed to get a certain time
    /// could simply come at that time.
    ///
    /// # Errors
    /// The reason, for an empty seed or one of more than 256 octets. With empty seeds, all callers
    /// who forgot to set one would get the same second.
    pub fn seeded(seed: &str) -> Result<Self, String> {
        if seed.is_empty() || seed.len() > LONGEST_SEED {
            return Err(format!("takes 1 to {LONGEST_SEED} octets"));
        }
        let mut hasher = Sha256::new();
        // A new version of the draw must use another word here.
        hasher.update(b"best-time 1\0");
        hasher.update(seed);
        let mut octets = [0; 16];
        octets.copy_from_slice(&hasher.finalize()[..16]);
        Ok(Self::Seeded(u128::from_be_bytes(octets)))
    }
}

impl BestTime {
    /// The five fields of a crontab line for this time of day in local time of `zone`. Cron has no
    /// seconds.
    #[must_use]
    pub fn cron(at: Timestamp, zone: Tz) -> String {
        let (hour, minute, _) = clock(at, zone);
        format!("{minute} {hour} * * *")
    }

    /// A calendar expression of systemd (`systemd.time(7)`) for this time of each day.
    #[must_use]
    pub fn on_calendar(at: Timestamp, zone: Tz) -> String {
        let (hour, minute, second) = clock(at, zone);
        format!("*-*-* {hour:02}:{minute:02}:{second:02} {}", zone.name())
    }

    /// A crontab line that is exact to the second: cron starts it on the minute, and it sleeps for
    /// the rest.
    #[must_use]
    pub fn crontab_line(at: Timestamp, zone: Tz, command: &str) -> String {
        let (_, _, second) = clock(at, zone);
        format!("{} sleep {second}; {command}", Self::cron(at, zone))
    }
}

/// Local hour, minute and second.
fn clock(at: Timestamp, zone: Tz) -> (u32, u32, u32) {
    // Every instant has exactly one local time.
    let local = zone.timestamp_opt(at.unix(), 0).single();
    local.map_or((0, 0, 0), |local| {
        (local.hour(), local.minute(), local.second())
    })
}

#[cfg(test)]
mod offer_tests;
#[cfg(test)]
mod tests;
