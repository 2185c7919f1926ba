//! What is held of one certificate, unpacked.

use super::quantized;
use super::quantized::{hundredths, minute, share};
use crate::domain::certificate::{Cause, Certificate, Validity};
use crate::domain::client::following::{Evidence, SILENT_AFTER_SECONDS, evidence, follows};
use crate::domain::client::schedule::{Polls, Response};
use crate::domain::ledger::usual_response;
use crate::domain::ledger::{Booking, Expected};
use crate::domain::time::{HOUR, Span, Timestamp};
use crate::engine::index::group::{Group, Renewal};

/// One certificate. Its dates other than the window, and f, are as coarse as the index keeps them
/// ([`super::packing`]). Its bookings are computed from this and nothing else.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and one bit of the record"
)]
pub(crate) struct Entry {
    pub(crate) ca: u16,
    /// The life to the minute, `notAfter` up to an hour later.
    pub(crate) validity: Validity,
    /// To the minute.
    pub(crate) issued_at: Timestamp,
    /// Rounded up by at most a quarter of an hour; by an hour if it is more than a day after the
    /// issuance, by 13 hours if it is more than five months.
    pub(crate) registered_at: Timestamp,
    pub(crate) window: Span,
    pub(crate) hour_known: bool,
    pub(crate) steered: bool,
    pub(crate) replaced: bool,
    /// Whether it is in the control group.
    pub(crate) group: Group,
    /// When it was renewed, as far as that is known.
    pub(crate) renewal: Renewal,
    /// The incident that moved its window last; 0: none did.
    pub(crate) moved_by: u32,
    /// Whether it was asked for since an incident moved its window, as far as was seen here.
    pub(crate) told: bool,
    /// f at registration, to the hundredth.
    pub(crate) follows: Option<f64>,
    /// The expectation in the ledger, from what polls had shown at the last sweep.
    pub(crate) expected: Expected,
    /// How it came here.
    pub(in crate::engine) came: Came,
    /// What its polls have shown.
    pub(super) polls: Polls,
    /// Whether polls have shown something that is to be stored, whatever it is.
    pub(in crate::engine) news: bool,
    /// Whether the store was told that it was polled.
    pub(super) known: bool,
}

/// As what a certificate came here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Came {
    /// Not replaced: if it is now, then since a moment ago.
    Live,
    /// Replaced, nobody here knows when.
    Replaced,
}

/// The one of two entries that stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Kept {
    /// The one put in.
    New,
    /// The one that was there.
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
            told: false,
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

    /// What its polls have shown.
    pub(crate) const fn polls(&self) -> Polls {
        self.polls
    }

    /// Puts another record of polls in place of the one there is.
    pub(in crate::engine) const fn set_polls(&mut self, polls: Polls) {
        self.polls = polls;
    }

    /// Takes a poll in.
    pub(super) fn see(&mut self, now: Timestamp, base_seconds: i64) -> bool {
        let before = (self.polls, self.told);
        self.polls = self.polls.seen(now, base_seconds);
        self.told |= self.moved_by != 0;
        before != (self.polls, self.told)
    }

    /// Takes in what others know of its polls.
    pub(in crate::engine) fn learn_polls(&mut self, told: Polls) {
        self.polls = self.polls.merged(told);
        self.news = self.polls.meaning().differs(told.meaning());
        self.known = self.polls.is_polled();
    }

    /// What polls have shown, copied from an older entry of the same certificate by
    /// [`Entry::put_in_place_of`] and by a new sum, whatever the row says now.
    pub(super) fn remember(&mut self, old: &Self) {
        self.polls = old.polls;
        self.news = old.news;
        self.known = old.known;
        self.came = old.came;
    }

    /// Copies what polls have shown from the entry that this one replaces.
    pub(super) fn put_in_place_of(&mut self, old: &Self) {
        self.remember(old);
        if old.window != self.window && old.polls.fate() != Polls::default().fate() {
            // Nothing has become of the new window yet.
            self.polls = old.polls.judged(Polls::default().fate());
            self.news = true;
        }
        self.told = old.told && (old.window, old.moved_by) == (self.window, self.moved_by);
    }

    /// Keeps the old expectation: what polls have shown of the client stays true, wherever its
    /// window moves.
    pub(in crate::engine) fn expect_as(&mut self, old: &Self) {
        self.expected.follows = old.expected.follows;
        if quantized::response(old.polls.schedule(), Response::default()) != Response::default() {
            self.expected.response = old.expected.response;
        }
    }

    /// Whether the store is to be told what polls have shown: that there were any, the kind of
    /// schedule, its tick by more than five minutes, or a judgement.
    pub(in crate::engine) fn has_news(&self) -> bool {
        let is_new = self.polls.is_polled() && !self.known;
        self.news || is_new || self.response() != self.expected.response
    }

    /// The store is told, or will be if there is `news` left.
    pub(in crate::engine) const fn note(&mut self, news: bool) {
        self.news = news;
        self.known = self.polls.is_polled();
    }

    /// How its client is expected to renew, by what is known now.
    pub(in crate::engine) fn response(&self) -> Response {
        quantized::response(self.polls.schedule(), self.expected.response)
    }

    /// Since when this process, which listens since `since`, has listened for its polls.
    pub(in crate::engine) fn heard_from(&self, since: Timestamp) -> Timestamp {
        self.registered_at.max(since)
    }

    /// What the evidence says now, for a process that has listened since `since`, if polled
    /// certificates keep their windows with the chance `kept_share`.
    ///
    /// It is used only once never-polled certificates can be told apart. Before that, the clients
    /// that poll at once would make the rest of their hour look as if more of them followed than
    /// do.
    pub(super) fn expects(&self, since: Timestamp, now: Timestamp, kept_share: f64) -> Expected {
        let polls = self.polls();
        let evidence = if now - self.registered_at < SILENT_AFTER_SECONDS {
            Evidence::Unknown
        } else {
            // Whoever listened before this process stored the first poll of each.
            let heard_from = if polls.is_polled() {
                self.heard_from(since)
            } else {
                self.registered_at
            };
            evidence(polls, heard_from, now)
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

/// `notAfter` not before it is over, and the life to the minute.
fn coarse_validity(validity: Validity, issued_at: Timestamp) -> Validity {
    let lag_hours = (issued_at - validity.not_before).div_euclid(HOUR);
    let not_before = issued_at - lag_hours * HOUR;
    Validity {
        not_before,
        not_after: not_before + (quantized::life_seconds(validity.life_seconds()) - 1),
    }
}

/// A drawn certificate as the ledger holds it: as the index will, so that it comes out again as it
/// went in.
pub(in crate::engine) fn booking(certificate: &Certificate) -> Booking {
    // Whose it is is no part of a booking.
    Entry::new(0, certificate).booking()
}

/// An incident's number as the index holds it; 0 is none. Four milliards are enough: at one an
/// hour, half a million years.
pub(in crate::engine) fn mark(incident: i64) -> u32 {
    u32::try_from(incident).unwrap_or(0)
}
