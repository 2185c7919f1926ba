//! A time to come, drawn by the weights of a published ranking, for callers that do not speak ARI.
//!
//! A draw needs only the ranking, neither a registry nor a key. So a server, a replica and a
//! machine without network give the same answer to the same seed.

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

/// How far ahead a time may lie where nothing is asked for: every hour of the day once.
pub const USUAL_SECONDS: i64 = DAY;
/// The longest that may be asked for: two months, the wait of a 90-day certificate.
const MOST_SECONDS: i64 = 60 * DAY;
/// How many other times are given: as many as the ranking's `quietest` has.
const ALTERNATIVES: i64 = 3;
/// The lengths of slots that a ranking may have, in minutes.
pub const SLOT_MINUTES: [i64; 4] = [5, 15, 30, 60];
/// A shorter life is none that an ACME CA gives: 15 % of it are nine minutes.
const LEAST_LIFE_SECONDS: i64 = HOUR;
/// A host's name has 253 characters at most.
const LONGEST_SEED: usize = 256;
/// The share of a certificate's life that a short-lived one may be early by, in hundredths: the band
/// of a life under ten days.
const EARLY_HUNDREDTHS: i64 = 15;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// How far ahead the time may lie.
    pub within_seconds: i64,
    /// The hours of the day that suit the asker, by the clock of `zone`; empty: all.
    pub allow: Vec<ClockSpan>,
    /// The zone of `allow`, of the crontab line and of the calendar expression.
    pub zone: Tz,
    /// The length of the slots in which alternatives are told apart; a whole fraction of the day.
    pub slot_seconds: i64,
}

/// Where a draw comes from.
#[derive(Clone, Copy, Debug)]
pub enum Chance {
    /// 128 random bits: another time with each call.
    Fresh(u128),
    /// From [`Chance::seeded`]: the same time with each call until it has come, as long as the ranking
    /// and the question stay the same; the same time of each day where a day or more is asked for.
    Seeded(u128),
}

/// A time to come, and others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BestTime {
    /// When to come.
    pub at: Timestamp,
    /// Other times, each in a slot of its own.
    pub alternatives: Vec<Timestamp>,
}

/// Nothing is left to be drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTime {
    /// The ranking says to avoid all that is asked for.
    #[error("within: the CA is closed until {until}; {}", wider(*.hours, "nothing of the time that may be asked for is open and allowed"))]
    Closed {
        /// When it opens.
        until: Timestamp,
        /// The whole hours of `within` that would do; `None` where none would.
        hours: Option<i64>,
    },
    /// No second of an hour that is open is allowed.
    #[error("allow, within: leave no second of an hour with a weight; {}", wider(*.hours, "allow has to be wider"))]
    NotAllowed {
        /// The whole hours of `within` that would do; `None` where none would.
        hours: Option<i64>,
    },
}

/// What to ask for instead.
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
    /// How far ahead to look for a certificate of this life: a day, less where the life is short.
    ///
    /// # Errors
    /// The reason, for a life under an hour.
    pub fn within_for_life(life_seconds: i64) -> Result<i64, String> {
        if life_seconds < LEAST_LIFE_SECONDS {
            return Err("takes a life of 1h or more".to_owned());
        }
        Ok((life_seconds.saturating_mul(EARLY_HUNDREDTHS) / 100).min(USUAL_SECONDS))
    }

    /// How far ahead somebody may ask for.
    ///
    /// # Errors
    /// The reason, for less than a second or more than 60 days.
    pub fn within(seconds: i64) -> Result<i64, String> {
        let fits = (1..=MOST_SECONDS).contains(&seconds);
        let wrong = || format!("takes 1s to {}d", MOST_SECONDS / DAY);
        fits.then_some(seconds).ok_or_else(wrong)
    }

    /// The length of a slot of so many minutes, where that is one of the lengths that a ranking may
    /// have.
    #[must_use]
    pub fn slot_of_minutes(text: &str) -> Option<i64> {
        let minutes: i64 = text.parse().ok()?;
        SLOT_MINUTES.contains(&minutes).then_some(minutes * MINUTE)
    }

    /// Draws a slot by weight among what is allowed, then a second in it. Spans that the ranking
    /// says to avoid are left out.
    ///
    /// # Errors
    /// [`NoTime`] where nothing is left.
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

    /// The next time of a seed. It is drawn in whole days that begin where everybody's begin, not at
    /// `now`: so it stays the same from call to call. `None` where none of these times lies ahead: what
    /// is to be avoided may differ from day to day.
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
        // A cut may leave two pieces of one.
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

    /// Why nothing is left ahead, and what would do: an hour more than there has to be, so that those who
    /// take it up do not all come in the first seconds.
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

    /// The slot of the day that an instant lies in.
    fn slot_of(&self, at: Timestamp) -> i64 {
        at.second_of_day() / self.slot_seconds
    }

    /// What may be drawn within `range`, in order, none across two slots of the ranking.
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
    /// From a seed. It needs no secret: who picks a seed to come at a certain time could as well come
    /// at that time.
    ///
    /// # Errors
    /// The reason, for a seed without or with more than 256 octets: all who fail to name themselves would
    /// be given the same second.
    pub fn seeded(seed: &str) -> Result<Self, String> {
        if seed.is_empty() || seed.len() > LONGEST_SEED {
            return Err(format!("takes 1 to {LONGEST_SEED} octets"));
        }
        let mut hasher = Sha256::new();
        // Another version of the draw takes another word here.
        hasher.update(b"best-time 1\0");
        hasher.update(seed);
        let mut octets = [0; 16];
        octets.copy_from_slice(&hasher.finalize()[..16]);
        Ok(Self::Seeded(u128::from_be_bytes(octets)))
    }
}

impl BestTime {
    /// The five fields of a crontab line that comes at this time of the day, by the clock of `zone`;
    /// cron knows no seconds.
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

    /// A line for a crontab, to the second: cron starts it on the minute, and it waits the rest.
    #[must_use]
    pub fn crontab_line(at: Timestamp, zone: Tz, command: &str) -> String {
        let (_, _, second) = clock(at, zone);
        format!("{} sleep {second}; {command}", Self::cron(at, zone))
    }
}

/// Hour, minute and second on the wall.
fn clock(at: Timestamp, zone: Tz) -> (u32, u32, u32) {
    // Every instant has exactly one time on the wall.
    let local = zone.timestamp_opt(at.unix(), 0).single();
    local.map_or((0, 0, 0), |local| {
        (local.hour(), local.minute(), local.second())
    })
}

#[cfg(test)]
mod offer_tests;
#[cfg(test)]
mod tests;
