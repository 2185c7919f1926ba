//! Supervises the connections of a listener with one periodic task. A timer for each connection
//! would have to be reset at every request.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::http::Version;
use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::limits::Limits;

/// How long a connection that was asked to finish may take while others wait for its place. An
/// answer that the client reads is sent in well under a second.
const GIVEN_TO_FINISH: Duration = Duration::from_secs(1);

/// After this time a request that was sent has arrived, over any network.
const NOTHING_ON_ITS_WAY: Duration = Duration::from_secs(1);

/// The state of a connection, and the order it was given.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionState(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of requests begun. Only the connection's own task writes it.
    begun: AtomicU64,
    under_way: AtomicUsize,
    /// Whether octets have arrived since the last request began.
    half_a_head: AtomicBool,
    /// Whether it is HTTP/2, where such octets need not be a head.
    multiplexed: AtomicBool,
    /// Whether an interim answer is to be sent. Only the connection's own task writes it.
    interim: AtomicBool,
    /// The current [`Directive`].
    directive: AtomicU8,
    waker: AtomicWaker,
}

/// An order to a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Directive {
    /// Continue.
    GoOn,
    /// Announce with the next answer that the connection will close.
    LastAnswer,
    /// Accept no more requests.
    Finish,
    /// Close at once.
    End,
}

impl ConnectionState {
    /// Records that a request begins.
    pub(super) fn begin(&self, version: Version) {
        let begun = self.0.begun.load(Ordering::Relaxed);
        self.0.begun.store(begun.wrapping_add(1), Ordering::Relaxed);
        self.0.half_a_head.store(false, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.0.multiplexed.store(true, Ordering::Relaxed);
        }
    }

    /// Records that octets have arrived.
    pub(super) fn note_octets(&self) {
        self.0.half_a_head.store(true, Ordering::Relaxed);
    }

    /// Marks a request as in progress until the result is dropped.
    pub(super) fn under_way(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// The current order. `context` is woken when it changes.
    pub(super) fn directive(&self, context: &std::task::Context<'_>) -> Directive {
        self.0.waker.register(context.waker());
        match self.0.directive.load(Ordering::Acquire) {
            0 => Directive::GoOn,
            1 => Directive::LastAnswer,
            2 => Directive::Finish,
            _ => Directive::End,
        }
    }

    /// Whether it continues as before.
    pub(super) fn goes_on(&self) -> bool {
        self.0.directive.load(Ordering::Relaxed) == 0
    }

    /// Whether it is known to use HTTP/2.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.0.multiplexed.load(Ordering::Relaxed)
    }

    /// Sets whether an interim answer is to be sent; returns the previous value.
    pub(super) fn wants_interim(&self, wanted: bool) -> bool {
        let before = self.0.interim.load(Ordering::Relaxed);
        if before != wanted {
            self.0.interim.store(wanted, Ordering::Relaxed);
        }
        before
    }

    fn order(&self, directive: Directive) {
        self.0
            .directive
            .fetch_max(directive.code(), Ordering::Release);
        self.0.waker.wake();
    }
}

impl Directive {
    const fn code(self) -> u8 {
        match self {
            Self::GoOn => 0,
            Self::LastAnswer => 1,
            Self::Finish => 2,
            Self::End => 3,
        }
    }
}

/// A request in progress, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(ConnectionState);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All connections of a listener.
#[derive(Debug)]
pub(super) struct Attendance {
    limits: Limits,
    kept: Vec<Kept>,
    /// The next candidates to close, the first one last, with the number of requests each had
    /// begun.
    giving_way: Vec<(Weak<State>, u64)>,
    /// Whether new connections should announce at once that they will close.
    closing: bool,
}

/// What is known about a connection.
#[derive(Debug)]
struct Kept {
    attended: ConnectionState,
    begun: u64,
    /// Since when no request has begun or been in progress, as far as was observed.
    still_since: Instant,
    /// Since when it accepts no more requests.
    finishing_since: Option<Instant>,
}

impl Attendance {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            kept: Vec::new(),
            giving_way: Vec::new(),
            closing: false,
        }
    }

    /// Adds a connection.
    pub(super) fn add(&mut self, attended: &ConnectionState, now: Instant) {
        if self.closing {
            attended.order(Directive::LastAnswer);
        }
        self.kept.push(Kept {
            attended: attended.clone(),
            begun: 0,
            still_since: now,
            finishing_since: None,
        });
    }

    /// Checks all connections: removes closed ones and gives orders to others.
    pub(super) fn look_after(&mut self, now: Instant) {
        let limits = self.limits;
        self.kept.retain_mut(|kept| {
            kept.is_there() && {
                kept.look_after(limits, now);
                true
            }
        });
    }

    /// Asks the connection that has been idle longest to close. A connection with an incomplete
    /// head or no request at all is closed at once, and so is one of HTTP/2, whose client could
    /// keep it open as long as it likes. One of HTTP/1.1 that is idle or sending an answer accepts
    /// no more requests. If all have been asked already, those that had enough time are closed.
    pub(super) fn give_way(&mut self, now: Instant) {
        if self.giving_way.is_empty() {
            self.giving_way = self.longest_still(now);
        }
        while let Some((state, begun)) = self.giving_way.pop() {
            let Some(attended) = state.upgrade().map(ConnectionState) else {
                continue;
            };
            let is_still = attended.0.begun.load(Ordering::Relaxed) == begun
                && attended.0.under_way.load(Ordering::Relaxed) == 0;
            if !is_still {
                continue;
            }
            let half_a_head = attended.0.half_a_head.load(Ordering::Relaxed);
            if begun == 0 || half_a_head || attended.is_multiplexed() {
                attended.order(Directive::End);
            } else {
                attended.order(Directive::Finish);
            }
            return;
        }
        let is_late = |kept: &&Kept| {
            let since = kept.finishing_since;
            kept.is_still() && since.is_some_and(|since| now - since >= GIVEN_TO_FINISH)
        };
        for kept in self.kept.iter().filter(is_late) {
            kept.attended.order(Directive::End);
        }
    }

    /// Some of the connections that have been idle longest. Finding them takes time proportional to
    /// the number of connections, about 100 µs for 8,192, so several are found at a time.
    fn longest_still(&mut self, now: Instant) -> Vec<(Weak<State>, u64)> {
        let many = (self.limits.connections / 128).max(1);
        let mut still: Vec<&mut Kept> = self
            .kept
            .iter_mut()
            .filter(|kept| kept.is_there())
            .filter_map(|kept| {
                kept.notice(now);
                let directive =
                    kept.attended.0.directive.load(Ordering::Relaxed) >= Directive::Finish.code();
                if directive {
                    kept.finishing_since.get_or_insert(now);
                }
                (!directive && kept.is_still()).then_some(kept)
            })
            .collect();
        if still.len() > many {
            still.select_nth_unstable_by_key(many, |kept| kept.still_since);
            still.truncate(many);
        }
        still.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.still_since));
        still
            .into_iter()
            .map(|kept| (Arc::downgrade(&kept.attended.0), kept.begun))
            .collect()
    }

    /// Asks each present and future connection to announce with its next answer that it will close.
    /// Nothing is closed, because a request may be on its way.
    pub(super) fn close_with_answers(&mut self) {
        self.closing = true;
        for kept in &self.kept {
            kept.attended.order(Directive::LastAnswer);
        }
    }

    /// Asks connections that have been idle for long enough to accept no more requests. Nothing can
    /// still be on its way to them.
    pub(super) fn finish_still(&mut self, now: Instant) {
        for kept in &mut self.kept {
            kept.notice(now);
            if kept.is_still() && now - kept.still_since >= NOTHING_ON_ITS_WAY {
                kept.finish(now);
            }
        }
    }

    /// Asks all connections to accept no more requests.
    pub(super) fn finish_all(&mut self, now: Instant) {
        for kept in &mut self.kept {
            kept.finish(now);
        }
    }
}

impl Kept {
    /// Whether the connection is still open.
    fn is_there(&self) -> bool {
        Arc::strong_count(&self.attended.0) > 1
    }

    /// Whether no request is in progress.
    fn is_still(&self) -> bool {
        self.attended.0.under_way.load(Ordering::Relaxed) == 0
    }

    /// Checks for new requests; returns whether there were none.
    fn notice(&mut self, now: Instant) -> bool {
        let begun = self.attended.0.begun.load(Ordering::Relaxed);
        let still = begun == self.begun && self.is_still();
        if !still {
            self.begun = begun;
            self.still_since = now;
        }
        still
    }

    fn look_after(&mut self, limits: Limits, now: Instant) {
        if !self.notice(now) {
            return;
        }
        let state = &self.attended.0;
        let still = now - self.still_since;
        let dawdles =
            state.half_a_head.load(Ordering::Relaxed) && !state.multiplexed.load(Ordering::Relaxed);
        if dawdles && still >= limits.head {
            self.attended.order(Directive::End);
        } else if let Some(finishing_since) = self.finishing_since {
            if now - finishing_since.max(self.still_since) >= limits.linger {
                self.attended.order(Directive::End);
            }
        } else if still >= limits.idle {
            self.finish(now);
        }
    }

    fn finish(&mut self, now: Instant) {
        self.finishing_since.get_or_insert(now);
        self.attended.order(Directive::Finish);
    }
}
