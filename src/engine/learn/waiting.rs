//! Poll records on their way to the store.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most records that wait; further ones are found by the next sweep. 32 octets each are 3.2 MB,
/// and 100,000 every five minutes are 29 million a day.
pub(in crate::engine) const MOST_WAITING: usize = 100_000;

/// Records on their way to the store.
#[derive(Debug)]
pub(in crate::engine) struct Waiting(Mutex<Vec<(u128, u64)>>);

impl Default for Waiting {
    /// Allocated with its full capacity, which costs nothing until it is used. Growing it on
    /// different threads would leave unused memory in each thread's arena.
    fn default() -> Self {
        Self(Mutex::new(Vec::with_capacity(MOST_WAITING)))
    }
}

impl Waiting {
    /// Takes all records that wait, together with their buffer.
    pub(in crate::engine) fn take(&self) -> Vec<(u128, u64)> {
        std::mem::take(&mut *self.lock())
    }

    /// Adds records to those that wait, keeping the larger of the two buffers.
    pub(in crate::engine) fn put(&self, mut records: Vec<(u128, u64)>) {
        let mut waiting = self.lock();
        if waiting.capacity() < records.capacity() {
            std::mem::swap(&mut *waiting, &mut records);
        }
        waiting.append(&mut records);
    }

    pub(in crate::engine) fn lock(&self) -> MutexGuard<'_, Vec<(u128, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_stored_amid_a_sweep_waits_on() {
        let waiting = Waiting::default();
        waiting.put(vec![(1, 1)]);
        let mut swept = waiting.take();
        // The store did not accept these.
        waiting.put(vec![(2, 2)]);
        swept.push((3, 3));
        waiting.put(swept);
        let mut all = waiting.take();
        assert!(all.capacity() >= MOST_WAITING);
        all.sort_unstable();
        assert_eq!(all, [(1, 1), (2, 2), (3, 3)]);
    }
}
