//! Looking after connections: one task for all of a listener, now and then. A timer for each
//! connection would have to be reset at every request.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::http::Version;
use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::limits::Limits;

/// How long a connection that was told to finish may do so while others wait for its place: an
/// answer that a client reads at all is sent in well under a second.
const GIVEN_TO_FINISH: Duration = Duration::from_secs(1);

/// A request that was sent has come after this long, over whatever network.
const NOTHING_ON_ITS_WAY: Duration = Duration::from_secs(1);

/// The state of a connection, and the order it was given.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionState(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests begun. Written by the connection's own task alone.
    begun: AtomicU64,
    under_way: AtomicUsize,
    /// Whether octets have come since the last request began.
    half_a_head: AtomicBool,
    /// HTTP/2, where octets come that are no head.
    multiplexed: AtomicBool,
    /// Whether an interim answer is to go out. Written by the connection's own task alone.
    interim: AtomicBool,
    /// [`Directive`].
    told: AtomicU8,
    waker: AtomicWaker,
}

/// An order to a connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Directive {
    /// Nothing: to go on.
    GoOn,
    /// To say with its next answer that it is the last.
    LastAnswer,
    /// To take no more requests.
    Finish,
    /// To end at once.
    End,
}

impl ConnectionState {
    /// Notes that a request begins.
    pub(super) fn begin(&self, version: Version) {
        let begun = self.0.begun.load(Ordering::Relaxed);
        self.0.begun.store(begun.wrapping_add(1), Ordering::Relaxed);
        self.0.half_a_head.store(false, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            self.0.multiplexed.store(true, Ordering::Relaxed);
        }
    }

    /// Notes that octets have come.
    pub(super) fn heard(&self) {
        self.0.half_a_head.store(true, Ordering::Relaxed);
    }

    /// A request under way, until it is dropped.
    pub(super) fn under_way(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// What it is told, once it is; until then `context` is woken when it is.
    pub(super) fn told(&self, context: &std::task::Context<'_>) -> Directive {
        self.0.waker.register(context.waker());
        match self.0.told.load(Ordering::Acquire) {
            0 => Directive::GoOn,
            1 => Directive::LastAnswer,
            2 => Directive::Finish,
            _ => Directive::End,
        }
    }

    /// Whether it is to take requests as before.
    pub(super) fn goes_on(&self) -> bool {
        self.0.told.load(Ordering::Relaxed) == 0
    }

    /// Whether it speaks HTTP/2, as far as is known.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.0.multiplexed.load(Ordering::Relaxed)
    }

    /// Notes whether an interim answer is to go out; whether one was.
    pub(super) fn wants_interim(&self, wanted: bool) -> bool {
        let before = self.0.interim.load(Ordering::Relaxed);
        if before != wanted {
            self.0.interim.store(wanted, Ordering::Relaxed);
        }
        before
    }

    fn tell(&self, told: Directive) {
        self.0.told.fetch_max(told.code(), Ordering::Release);
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

/// One request under way, until it is dropped.
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
    /// Those that give way next, the first at the end, and how many requests each had begun.
    giving_way: Vec<(Weak<State>, u64)>,
    /// Whether those that come say at once that their answer is the last.
    closing: bool,
}

/// What is known of one connection.
#[derive(Debug)]
struct Kept {
    attended: ConnectionState,
    begun: u64,
    /// Since when no request has begun and none was under way, as far as was seen.
    still_since: Instant,
    /// Since when it takes no more requests.
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

    /// Looks after one more connection.
    pub(super) fn add(&mut self, attended: &ConnectionState, now: Instant) {
        if self.closing {
            attended.tell(Directive::LastAnswer);
        }
        self.kept.push(Kept {
            attended: attended.clone(),
            begun: 0,
            still_since: now,
            finishing_since: None,
        });
    }

    /// Looks after all: forgets those that have ended, and tells others to.
    pub(super) fn look_after(&mut self, now: Instant) {
        let limits = self.limits;
        self.kept.retain_mut(|kept| {
            kept.is_there() && {
                kept.look_after(limits, now);
                true
            }
        });
    }

    /// Has the connection give way that has been without a request for longest. One with half a head,
    /// or none at all, and one of HTTP/2, whose client may hold up its end for as long as it likes,
    /// ends at once; one of HTTP/1.1 that is kept, or is still sending an answer, takes no more
    /// requests. Where all have been told that before, those end that have had time for it.
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
                attended.tell(Directive::End);
            } else {
                attended.tell(Directive::Finish);
            }
            return;
        }
        let is_late = |kept: &&Kept| {
            let since = kept.finishing_since;
            kept.is_still() && since.is_some_and(|since| now - since >= GIVEN_TO_FINISH)
        };
        for kept in self.kept.iter().filter(is_late) {
            kept.attended.tell(Directive::End);
        }
    }

    /// Some of those that have been without a request for longest. To look for them takes as long as
    /// there are connections, some 100 µs for 8,192, so it is done for many at a time.
    fn longest_still(&mut self, now: Instant) -> Vec<(Weak<State>, u64)> {
        let many = (self.limits.connections / 128).max(1);
        let mut still: Vec<&mut Kept> = self
            .kept
            .iter_mut()
            .filter(|kept| kept.is_there())
            .filter_map(|kept| {
                kept.notice(now);
                let told = kept.attended.0.told.load(Ordering::Relaxed) >= Directive::Finish.code();
                if told {
                    kept.finishing_since.get_or_insert(now);
                }
                (!told && kept.is_still()).then_some(kept)
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

    /// Has each connection say with its next answer that it is the last, those too that are still to
    /// come. Nothing is closed: a request may be on its way.
    pub(super) fn close_with_answers(&mut self) {
        self.closing = true;
        for kept in &self.kept {
            kept.attended.tell(Directive::LastAnswer);
        }
    }

    /// Tells those to take no more requests that have been without one for long enough: nothing is on
    /// its way to them.
    pub(super) fn finish_still(&mut self, now: Instant) {
        for kept in &mut self.kept {
            kept.notice(now);
            if kept.is_still() && now - kept.still_since >= NOTHING_ON_ITS_WAY {
                kept.finish(now);
            }
        }
    }

    /// Tells all to take no more requests.
    pub(super) fn finish_all(&mut self, now: Instant) {
        for kept in &mut self.kept {
            kept.finish(now);
        }
    }
}

impl Kept {
    /// Whether the connection has not ended.
    fn is_there(&self) -> bool {
        Arc::strong_count(&self.attended.0) > 1
    }

    /// Whether no request is under way.
    fn is_still(&self) -> bool {
        self.attended.0.under_way.load(Ordering::Relaxed) == 0
    }

    /// Notices requests that have begun since; whether it has been still.
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
            self.attended.tell(Directive::End);
        } else if let Some(finishing_since) = self.finishing_since {
            if now - finishing_since.max(self.still_since) >= limits.linger {
                self.attended.tell(Directive::End);
            }
        } else if still >= limits.idle {
            self.finish(now);
        }
    }

    fn finish(&mut self, now: Instant) {
        self.finishing_since.get_or_insert(now);
        self.attended.tell(Directive::Finish);
    }
}
