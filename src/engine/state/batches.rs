//! Which batches of observations have been counted.

use std::collections::HashSet;

/// Counted batches that the feed may return again. A batch that is missing in one pass of the feed
/// does not come in a later one, so only those of the last pass are remembered.
#[derive(Debug, Default)]
pub(in crate::engine) struct Batches {
    /// Batches counted before this pass.
    counted: HashSet<i64>,
    /// Those of them that were returned again in this pass.
    again: HashSet<i64>,
    /// Batches that were new in this pass.
    new: HashSet<i64>,
}

/// Whether the sums can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum Trust {
    /// The previous pass ended in the middle of a batch, so it is unknown how much of it was
    /// counted.
    Broken,
    /// Each batch was counted completely.
    Whole,
}

impl Batches {
    /// Begins a pass.
    pub(in crate::engine) fn open_pass(&mut self) -> Trust {
        self.again.clear();
        if self.new.is_empty() {
            Trust::Whole
        } else {
            Trust::Broken
        }
    }

    /// Whether an observation of this batch should be counted.
    pub(in crate::engine) fn counts(&mut self, batch: i64) -> bool {
        if self.counted.contains(&batch) {
            self.again.insert(batch);
            return false;
        }
        self.new.insert(batch);
        true
    }

    /// Ends a pass.
    pub(in crate::engine) fn close_pass(&mut self) {
        self.counted = std::mem::take(&mut self.new);
        self.counted.extend(self.again.drain());
    }

    /// The number of batches remembered.
    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.counted.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_that_broke_off_amid_a_batch_is_noticed() {
        let mut batches = Batches::default();
        assert_eq!(batches.open_pass(), Trust::Whole);
        assert!(batches.counts(1));
        // The store failed, or the reader of the feed was dropped.
        assert_eq!(batches.open_pass(), Trust::Broken);
        // Returning a completely counted batch does no harm.
        let mut batches = Batches::default();
        assert!(batches.counts(1));
        batches.close_pass();
        assert_eq!(batches.open_pass(), Trust::Whole);
        assert!(!batches.counts(1));
        assert_eq!(batches.open_pass(), Trust::Whole);
    }

    #[test]
    fn a_batch_is_counted_once_and_remembered_while_it_is_repeated() {
        let mut batches = Batches::default();
        let mut pass = |returned: &[i64]| {
            let _ = batches.open_pass();
            // Two observations of each.
            let counted = returned
                .iter()
                .chain(returned)
                .filter(|batch| batches.counts(**batch))
                .count();
            batches.close_pass();
            (counted, batches.remembered())
        };
        assert_eq!(pass(&[1]), (2, 1));
        assert_eq!(pass(&[1]), (0, 1));
        assert_eq!(pass(&[1, 2]), (2, 2));
        assert_eq!(pass(&[2]), (0, 1));
        assert_eq!(pass(&[]), (0, 0));
    }
}
