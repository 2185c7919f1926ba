//! Whether each server of the database answers. In a distributed database, the server that we are
//! connected to may answer, and the feed may continue, while another one is unavailable.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::StoreError;

/// The width of the first range of serials, as a difference of the numbers made of their first eight
/// bytes: 256 ranges cover all serials of an issuer.
const FIRST_WIDTH: u64 = 1 << 56;

/// How many registrations may wait for an unavailable server at once. A process has at least four
/// connections; the others are for rows on servers that answer.
const MOST_WAITING: usize = 2;

/// What is known of the servers.
#[derive(Debug)]
pub(super) struct Servers {
    is_distributed: AtomicBool,
    are_away: AtomicBool,
    /// The width of the next range of serials.
    width: AtomicU64,
    waiting: Semaphore,
}

impl Default for Servers {
    fn default() -> Self {
        Self {
            is_distributed: AtomicBool::new(false),
            are_away: AtomicBool::new(false),
            width: AtomicU64::new(FIRST_WIDTH),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }
}

impl Servers {
    /// Records whether the database is distributed, as read from the feed's row.
    pub(super) fn set_distributed(&self, is_distributed: bool) {
        self.is_distributed.store(is_distributed, Ordering::Relaxed);
    }

    /// Whether certificates are on several servers.
    pub(super) fn are_several(&self) -> bool {
        self.is_distributed.load(Ordering::Relaxed)
    }

    /// Which server did not answer at the last check.
    pub(super) fn away(&self) -> Option<&'static str> {
        let who = if self.are_several() {
            "a server of the database"
        } else {
            "the database"
        };
        self.are_away.load(Ordering::Relaxed).then_some(who)
    }

    /// Records whether a server did not answer.
    pub(super) fn set_away(&self, are_away: bool) {
        self.are_away.store(are_away, Ordering::Relaxed);
    }

    /// Permission for a registration to use a connection. While all servers answer, there is no limit.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if a server is unavailable and the limit of waiting registrations is
    /// reached.
    pub(super) fn place(&self) -> Result<Option<SemaphorePermit<'_>>, StoreError> {
        let Some(who) = self.away().filter(|_| self.are_several()) else {
            return Ok(None);
        };
        self.waiting.try_acquire().map(Some).map_err(|_| {
            let why = std::io::Error::other(format!("{who} is away"));
            StoreError::from_driver("certificate_insert", why.into())
        })
    }

    /// The width of the next range of serials.
    pub(super) fn width(&self) -> u64 {
        self.width.load(Ordering::Relaxed)
    }

    /// Sets the width of the next range of serials.
    pub(super) fn set_width(&self, width: u64) {
        self.width.store(width.max(1), Ordering::Relaxed);
    }
}
