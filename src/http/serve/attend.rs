//! Who looks after connections: one task for all of a listener, now and then. A timer for each
//! connection would cost every request what it takes to set it anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use axum::http::Version;
use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::Limits;

/// What a connection has been doing, and what it is told.
#[derive(Clone, Debug, Default)]
pub(super) struct Attended(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Requests begun. Written by the connection's own task alone.
    begun: AtomicU64,
    under_way: AtomicUsize,
    /// Whether octets have come since the last request began.
    half_a_head: AtomicBool,
    /// HTTP/2, where octets come that are no head.
    multiplexed: AtomicBool,
    /// [`Told`].
    told: AtomicU8,
    waker: AtomicWaker,
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Told {
    /// Nothing: to go on.
    GoOn,
    /// To take no more requests.
    Finish,
    /// To end at once.
    End,
}

impl Attended {
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
    pub(super) fn told(&self, context: &std::task::Context<'_>) -> Told {
        self.0.waker.register(context.waker());
        match self.0.told.load(Ordering::Acquire) {
            0 => Told::GoOn,
            1 => Told::Finish,
            _ => Told::End,
        }
    }

    fn tell(&self, told: Told) {
        let code = match told {
            Told::GoOn => 0,
            Told::Finish => 1,
            Told::End => 2,
        };
        self.0.told.fetch_max(code, Ordering::Release);
        self.0.waker.wake();
    }
}

/// One request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Attended);

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
}

/// What is known of one connection.
#[derive(Debug)]
struct Kept {
    attended: Attended,
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
        }
    }

    /// Looks after one more connection.
    pub(super) fn add(&mut self, attended: &Attended, now: Instant) {
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
            if Arc::strong_count(&kept.attended.0) == 1 {
                return false;
            }
            kept.look_after(limits, now);
            true
        });
    }

    /// Tells all to take no more requests.
    pub(super) fn finish_all(&mut self, now: Instant) {
        for kept in &mut self.kept {
            kept.finish(now);
        }
    }
}

impl Kept {
    fn look_after(&mut self, limits: Limits, now: Instant) {
        let state = &self.attended.0;
        let begun = state.begun.load(Ordering::Relaxed);
        if begun != self.begun || state.under_way.load(Ordering::Relaxed) > 0 {
            self.begun = begun;
            self.still_since = now;
            return;
        }
        let still = now - self.still_since;
        let dawdles =
            state.half_a_head.load(Ordering::Relaxed) && !state.multiplexed.load(Ordering::Relaxed);
        if dawdles && still >= limits.head {
            self.attended.tell(Told::End);
        } else if let Some(finishing_since) = self.finishing_since {
            if now - finishing_since.max(self.still_since) >= limits.linger {
                self.attended.tell(Told::End);
            }
        } else if still >= limits.idle {
            self.finish(now);
        }
    }

    fn finish(&mut self, now: Instant) {
        self.finishing_since.get_or_insert(now);
        self.attended.tell(Told::Finish);
    }
}
