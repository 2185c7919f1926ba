//! The servers of the database: whether each answers. Of a distributed one, the one that we are connected to
//! may answer all that it holds itself, and the feed goes on, while another is away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::StoreError;

/// The first range of serials is so wide, in the numbers that the first eight octets of a serial make: 256
/// ranges for all of an issuer's.
const FIRST_WIDTH: u64 = 1 << 56;

/// Registrations that wait for a server that is away, at once: of the four connections that a process has at
/// least, the others are for what lies on servers that are there.
const MOST_WAITING: usize = 2;

/// What is known of the servers.
#[derive(Debug)]
pub(super) struct Servers {
    is_distributed: AtomicBool,
    are_away: AtomicBool,
    /// How wide the next range of serials is.
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
    /// Notes what the feed's row says.
    pub(super) fn set_distributed(&self, is_distributed: bool) {
        self.is_distributed.store(is_distributed, Ordering::Relaxed);
    }

    /// Whether certificates lie on several.
    pub(super) fn are_several(&self) -> bool {
        self.is_distributed.load(Ordering::Relaxed)
    }

    /// Who did not answer when it was asked last.
    pub(super) fn away(&self) -> Option<&'static str> {
        let who = if self.are_several() {
            "a server of the database"
        } else {
            "the database"
        };
        self.are_away.load(Ordering::Relaxed).then_some(who)
    }

    /// Notes whether one did not answer.
    pub(super) fn set_away(&self, are_away: bool) {
        self.are_away.store(are_away, Ordering::Relaxed);
    }

    /// A place among the registrations that may take a connection: for each while all servers are there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where one is away and as many wait for it as may.
    pub(super) fn place(&self) -> Result<Option<SemaphorePermit<'_>>, StoreError> {
        let Some(who) = self.away().filter(|_| self.are_several()) else {
            return Ok(None);
        };
        self.waiting.try_acquire().map(Some).map_err(|_| {
            let why = std::io::Error::other(format!("{who} is away"));
            StoreError::from_driver("certificate_insert", why.into())
        })
    }

    /// How wide the next range of serials is to be.
    pub(super) fn width(&self) -> u64 {
        self.width.load(Ordering::Relaxed)
    }

    /// Notes how wide that is.
    pub(super) fn set_width(&self, width: u64) {
        self.width.store(width.max(1), Ordering::Relaxed);
    }
}
