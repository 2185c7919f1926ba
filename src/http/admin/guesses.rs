//! Limits guessing of tokens: after several wrong ones from an address, further ones are rejected
//! for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use moka::sync::Cache;

use crate::wire::Sender;

/// The number of wrong tokens within [`COUNTED`] from one address. Typing errors are rarer, and
/// guessing 256 bits needs far more.
const MOST: u32 = 10;
/// How long wrong tokens are counted, and how long an address with too many is rejected.
const COUNTED: Duration = Duration::from_mins(1);
/// The same in `Retry-After`.
pub(in crate::http) const RETRY_AFTER: &str = "60";
/// The number of addresses tracked, about 200 octets each: 2 MB. The kernel has completed a
/// handshake with each, so an attacker must really have that many.
const MOST_PLACES: u64 = 10_000;

/// The number of wrong tokens by address.
#[derive(Clone, Debug)]
pub(in crate::http) struct Guesses(Cache<Sender, Arc<AtomicU32>>);

impl Default for Guesses {
    fn default() -> Self {
        let places = Cache::builder().max_capacity(MOST_PLACES);
        Self(places.time_to_live(COUNTED).build())
    }
}

/// The answer to a wrong token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http) enum Verdict {
    /// It is wrong.
    Wrong,
    /// There were too many wrong tokens; this one was not checked.
    TooMany,
}

impl Guesses {
    /// Counts a wrong token.
    pub(in crate::http) fn count(&self, sender: Sender) -> Verdict {
        let counted = self.0.get_with(sender, Arc::default);
        match counted.fetch_add(1, Ordering::Relaxed) + 1 {
            ..MOST => Verdict::Wrong,
            MOST => {
                // The time of rejection begins.
                self.0.insert(sender, counted);
                Verdict::Wrong
            }
            _ => {
                counted.store(MOST, Ordering::Relaxed);
                Verdict::TooMany
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Neighbour;

    #[test]
    fn ten_are_answered_and_each_place_is_counted_for_itself() {
        let guesses = Guesses::default();
        let sender = |text: &str| Sender(Some(Neighbour::at(text.parse().unwrap())));
        for _ in 0..MOST {
            assert_eq!(guesses.count(sender("192.0.2.1")), Verdict::Wrong);
        }
        for _ in 0..3 {
            assert_eq!(guesses.count(sender("192.0.2.1")), Verdict::TooMany);
        }
        assert_eq!(guesses.count(sender("192.0.2.2")), Verdict::Wrong);
        assert_eq!(guesses.count(Sender(None)), Verdict::Wrong);
        assert_eq!(guesses.0.policy().time_to_live(), Some(COUNTED));
        assert_eq!(guesses.0.policy().max_capacity(), Some(MOST_PLACES));
    }
}
