//! The unpacked entry of a certificate.

use super::quantized;
use super::quantized::{hundredths, minute, share};
use crate::domain::certificate::{Cause, Certificate, Validity};
use crate::domain::client::following::{Evidence, SILENT_AFTER_SECONDS, evidence, follows};
use crate::domain::client::schedule::{Polls, Response};
use crate::domain::ledger::usual_response;
use crate::domain::ledger::{Booking, Expected};
use crate::domain::time::{HOUR, Span, Timestamp};
use crate::engine::index::group::{Group, Renewal};

/// A certificate in the index. Its dates other than the window, and f, are rounded to the index's
/// resolution ([`super::packing`]). What the ledger counts is computed from this alone.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and one bit of the record"
)]
pub(crate) struct Entry {
    pub(crate) ca: u16,
    /// The lifetime to the minute; `notAfter` up to an hour later.
    pub(crate) validity: Validity,
    /// Rounded to the minute.
    pub(crate) issued_at: Timestamp,
    /// Rounded up by at most a quarter of an hour; by up to an hour if it is more than a day after
    /// issuance, and by up to 13 hours if more than five months.
    pub(crate) registered_at: Timestamp,
    pub(crate) window: Span,
    pub(crate) hour_known: bool,
    pub(crate) steered: bool,
    pub(crate) replaced: bool,
    /// Whether it is in the control group.
    pub(crate) group: Group,
    /// When it was renewed, relative to its window, if known.
    pub(crate) renewal: Renewal,
    /// The incident that last moved its window; 0 if none did.
    pub(crate) moved_by: u32,
    /// Whether this process has seen a poll since an incident moved its window.
    pub(crate) polled_since_move: bool,
    /// f at registration, rounded to a hundredth.
    pub(crate) follows: Option<f64>,
    /// What the ledger expects, from the polls up to the last sweep.
    pub(crate) expected: Expected,
    /// How it was added.
    pub(in crate::engine) came: Came,
    /// The record of its polls.
    pub(super) polls: Polls,
    /// Whether the poll record has something to store, for whatever reason.
    pub(in crate::engine) news: bool,
    /// Whether the store knows that it was polled.
    pub(super) known: bool,
}

/// The state in which a certificate was added.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Came {
    /// Not replaced. If it is now, that happened recently.
    Live,
    /// Replaced at an unknown time.
    Replaced,
}

/// Which of two entries stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Kept {
    /// The inserted one.
    New,
    /// The existing one.
    Old,
}

impl Entry {
    pub(crate) fn new(ca: u16, certificate: &Certificate) -> Self {
        let issued_at = minute(certificate.issued_at);
        let delay = certificate.registered_at - issued_at;
        let follows = hundredths(certificate.follows);
        Self {
            ca,
            validity: coarse_validity(certificate.validity, issued_at),
            issued_at,
            registered_at: quantized::delay_code(delay).map_or(certificate.registered_at, |code| {
                issued_at + quantized::delay_of(code)
            }),
            window: certificate.window,
            hour_known: certificate.hour_known,
            steered: certificate.steered,
            replaced: certificate.successor.is_some(),
            moved_by: match certificate.cause {
                Cause::Incident(number) => mark(number),
                Cause::Rebalance(_) | Cause::Registration => 0,
            },
            polled_since_move: false,
            follows,
            group: Group::of(certificate.basis),
            renewal: Renewal::default(),
            expected: Expected {
                follows,
                response: quantized::coarse_response(usual_response(certificate.basis)),
            },
            came: match certificate.successor {
                Some(_) => Came::Replaced,
                None => Came::Live,
            },
            polls: Polls::default(),
            news: false,
            known: false,
        }
    }

    pub(crate) fn booking(&self) -> Booking {
        Booking {
            window: self.window,
            issued_at: self.issued_at,
            life_seconds: self.validity.life_seconds(),
            expected: self.expected,
        }
    }

    /// The record of its polls.
    pub(crate) const fn polls(&self) -> Polls {
        self.polls
    }

    /// Replaces the poll record.
    pub(in crate::engine) const fn set_polls(&mut self, polls: Polls) {
        self.polls = polls;
    }

    /// Records a poll.
    pub(super) fn see(&mut self, now: Timestamp, base_seconds: i64) -> bool {
        let before = (self.polls, self.polled_since_move);
        self.polls = self.polls.seen(now, base_seconds);
        self.polled_since_move |= self.moved_by != 0;
        before != (self.polls, self.polled_since_move)
    }

    /// Merges another process's poll record.
    pub(in crate::engine) fn learn_polls(&mut self, other: Polls) {
        self.polls = self.polls.merged(other);
        self.news = self.polls.meaning().differs(other.meaning());
        self.known = self.polls.is_polled();
    }

    /// Copies the poll data of an older entry of the same certificate, in
    /// [`Entry::put_in_place_of`] and when everything is rebuilt, whatever the row says now.
    pub(super) fn remember(&mut self, old: &Self) {
        self.polls = old.polls;
        self.news = old.news;
        self.known = old.known;
        self.came = old.came;
    }

    /// Copies the poll data of the entry that this one replaces.
    pub(super) fn put_in_place_of(&mut self, old: &Self) {
        self.remember(old);
        if old.window != self.window && old.polls.fate() != Polls::default().fate() {
            // The new window has no outcome yet.
            self.polls = old.polls.judged(Polls::default().fate());
            self.news = true;
        }
        self.polled_since_move =
            old.polled_since_move && (old.window, old.moved_by) == (self.window, self.moved_by);
    }

    /// Keeps the old expectation, because what is known about the client stays true when its window
    /// moves.
    pub(in crate::engine) fn expect_as(&mut self, old: &Self) {
        self.expected.follows = old.expected.follows;
        if quantized::response(old.polls.schedule(), Response::default()) != Response::default() {
            self.expected.response = old.expected.response;
        }
    }

    /// Whether the poll record should be stored: that there were polls, the kind of schedule, its
    /// tick if it differs by more than five minutes, or an outcome.
    pub(in crate::engine) fn has_news(&self) -> bool {
        let is_new = self.polls.is_polled() && !self.known;
        self.news || is_new || self.response() != self.expected.response
    }

    /// Records that the poll data is stored, or will be if `news` is set.
    pub(in crate::engine) const fn note(&mut self, news: bool) {
        self.news = news;
        self.known = self.polls.is_polled();
    }

    /// How its client is expected to renew, by present knowledge.
    pub(in crate::engine) fn response(&self) -> Response {
        quantized::response(self.polls.schedule(), self.expected.response)
    }

    /// Since when polls for it have been recorded, in a process that records since `since`.
    pub(in crate::engine) fn recorded_from(&self, since: Timestamp) -> Timestamp {
        self.registered_at.max(since)
    }

    /// The expectation from present evidence, in a process that has recorded polls since `since`.
    /// `kept_share` is the probability that polled certificates follow their windows.
    ///
    /// It is used only once never-polled certificates can be distinguished. Before that, clients
    /// that poll at once would make it look as if more of the others from their hour followed than
    /// do.
    pub(super) fn expects(&self, since: Timestamp, now: Timestamp, kept_share: f64) -> Expected {
        let polls = self.polls();
        let evidence = if now - self.registered_at < SILENT_AFTER_SECONDS {
            Evidence::Unknown
        } else {
            // An earlier process stored the first poll of each.
            let recorded_from = if polls.is_polled() {
                self.recorded_from(since)
            } else {
                self.registered_at
            };
            evidence(polls, recorded_from, now)
        };
        let before = self.expected.follows;
        Expected {
            follows: share(
                follows(evidence, kept_share, self.follows, before),
                self.follows,
            ),
            response: self.response(),
        }
    }
}

/// `notAfter` rounded up, and the lifetime to the minute.
fn coarse_validity(validity: Validity, issued_at: Timestamp) -> Validity {
    let lag_hours = (issued_at - validity.not_before).div_euclid(HOUR);
    let not_before = issued_at - lag_hours * HOUR;
    Validity {
        not_before,
        not_after: not_before + (quantized::life_seconds(validity.life_seconds()) - 1),
    }
}

/// A drawn certificate as the ledger counts it, with the index's rounding, so that it can be
/// removed exactly as it was added.
pub(in crate::engine) fn booking(certificate: &Certificate) -> Booking {
    // The CA is not part of the booking.
    Entry::new(0, certificate).booking()
}

/// An incident's number in the index; 0 means none. Four billion are enough for half a million
/// years at one an hour.
pub(in crate::engine) fn mark(incident: i64) -> u32 {
    u32::try_from(incident).unwrap_or(0)
}
