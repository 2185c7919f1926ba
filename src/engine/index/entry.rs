//! What is held of one certificate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::domain::certificate::{Cause, Certificate, Validity};
use crate::domain::following::{Evidence, SILENT_AFTER_SECONDS, evidence, follows};
use crate::domain::ledger::{Booking, Expected};
use crate::domain::rhythm::{Meaning, Polls, Response, Rhythm};
use crate::domain::time::{Span, Timestamp};
use crate::engine::cohorts::{Group, Renewal};
use crate::engine::in_force::mark;

/// One certificate.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) ca: u16,
    pub(crate) validity: Validity,
    pub(crate) issued_at: Timestamp,
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
    /// Whether it was asked for since an incident moved its window.
    pub(super) told: AtomicBool,
    /// f at registration.
    pub(crate) follows: Option<f64>,
    /// How its client is expected to renew while its polls say nothing.
    first_response: Response,
    /// What the ledger holds: what polls have shown, as of the last sweep.
    pub(crate) expected: Expected,
    /// As what it came here.
    pub(in crate::engine) came: Came,
    /// What its polls have shown: [`Polls`], packed.
    polls: AtomicU64,
    /// What the store was told of them.
    pub(in crate::engine) noted: Meaning,
}

/// As what a certificate came here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Came {
    /// Not replaced: if it is now, then since a moment ago.
    Live,
    /// Replaced, nobody here knows when.
    Replaced,
}

impl Entry {
    pub(crate) fn new(ca: u16, certificate: &Certificate) -> Self {
        Self {
            ca,
            validity: certificate.validity,
            issued_at: certificate.issued_at,
            registered_at: certificate.registered_at,
            window: certificate.window,
            hour_known: certificate.hour_known,
            steered: certificate.steered,
            replaced: certificate.successor.is_some(),
            moved_by: match certificate.cause {
                Cause::Incident(number) => mark(number),
                Cause::Rebalance(_) | Cause::Registration => 0,
            },
            told: AtomicBool::new(false),
            follows: certificate.follows,
            group: Group::of(certificate.basis),
            renewal: Renewal::default(),
            first_response: certificate.basis.response(),
            expected: Expected::first(certificate.follows, certificate.basis),
            came: match certificate.successor {
                Some(_) => Came::Replaced,
                None => Came::Live,
            },
            polls: AtomicU64::new(0),
            noted: Meaning::default(),
        }
    }

    /// Whether it was asked for since an incident moved its window, as far as was seen here.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
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
    pub(crate) fn polls(&self) -> Polls {
        Polls::from_packed(self.polls.load(Ordering::Relaxed))
    }

    /// Puts another record of polls in place of the one there is.
    pub(in crate::engine) fn set_polls(&self, polls: Polls) {
        self.polls.store(polls.packed(), Ordering::Relaxed);
    }

    /// Takes a poll in.
    pub(super) fn see(&self, now: Timestamp, base_seconds: i64) {
        let before = self.polls();
        let after = before.seen(now, base_seconds);
        // Of two polls at the same instant one may be lost: they tell the same. Where nothing is
        // new nothing is written: a cache line that a flood dirties would cost more than the polls.
        if after != before {
            self.set_polls(after);
        }
    }

    /// Takes in what others know of its polls.
    pub(in crate::engine) fn learn_polls(&mut self, told: Polls) {
        self.set_polls(self.polls().merged(told));
        self.noted = told.meaning();
    }

    /// Since when this process, which listens since `since`, has listened for its polls.
    pub(in crate::engine) fn heard_from(&self, since: Timestamp) -> Timestamp {
        self.registered_at.max(since)
    }

    /// What the evidence says now, for a process that listens since `since`, where polled
    /// certificates keep their windows with the chance `kept_share`.
    ///
    /// It is not asked before those that are never polled can be told: whoever is polled at once
    /// would make the rest of their hour look as if more of them followed than do.
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
        Expected {
            follows: follows(evidence, kept_share, self.follows, self.expected.follows),
            response: match polls.rhythm() {
                Rhythm::Unknown => self.first_response,
                known => Response::of(known),
            },
        }
    }
}
