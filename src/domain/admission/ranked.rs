//! An ordered set that can tell the rank of each member: how many are before it.

/// The length at which a block is split. With 20,000 members, the default size of the queue, there
/// are 80 to 160 blocks, so a rank takes 160 additions and a binary search.
const LONGEST_BLOCK: usize = 256;

/// Members in consecutive blocks, each sorted.
#[derive(Clone, Debug)]
pub(super) struct Ranked<K> {
    blocks: Vec<Vec<K>>,
    length: usize,
}

impl<K> Default for Ranked<K> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            length: 0,
        }
    }
}

impl<K: Copy + Ord> Ranked<K> {
    /// The number of members.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The first member.
    pub(super) fn first(&self) -> Option<K> {
        self.blocks.first()?.first().copied()
    }

    /// The last member.
    pub(super) fn last(&self) -> Option<K> {
        self.blocks.last()?.last().copied()
    }

    /// The number of members less than `key`, which need not be a member.
    pub(super) fn rank(&self, key: &K) -> usize {
        let at = self.block_of(key);
        let before: usize = self.blocks[..at].iter().map(Vec::len).sum();
        let within = self.blocks.get(at);
        before + within.map_or(0, |block| block.partition_point(|other| other < key))
    }

    /// Adds a member, unless it is already there.
    pub(super) fn insert(&mut self, key: K) {
        // A key greater than all members goes into the last block.
        let at = self.block_of(&key).min(self.blocks.len().saturating_sub(1));
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(vec![key]);
            self.length = 1;
            return;
        };
        let Err(place) = block.binary_search(&key) else {
            return;
        };
        block.insert(place, key);
        self.length += 1;
        if block.len() > LONGEST_BLOCK {
            let rest = block.split_off(LONGEST_BLOCK / 2);
            self.blocks.insert(at + 1, rest);
        }
    }

    /// Removes a member; returns whether it was there.
    pub(super) fn remove(&mut self, key: &K) -> bool {
        let at = self.block_of(key);
        let Some(block) = self.blocks.get_mut(at) else {
            return false;
        };
        let Ok(place) = block.binary_search(key) else {
            return false;
        };
        block.remove(place);
        if block.is_empty() {
            self.blocks.remove(at);
        }
        self.length -= 1;
        true
    }

    /// The first block that does not end before `key`.
    fn block_of(&self, key: &K) -> usize {
        self.blocks
            .partition_point(|block| block.last().is_some_and(|last| last < key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn it_is_what_a_sorted_set_is(
            steps in prop::collection::vec((any::<bool>(), 0_u16..3_000), 1..1_500),
        ) {
            let mut ranked = Ranked::default();
            let mut set = BTreeSet::new();
            for (n, (insert, key)) in steps.into_iter().enumerate() {
                if insert {
                    ranked.insert(key);
                    set.insert(key);
                } else {
                    prop_assert_eq!(ranked.remove(&key), set.remove(&key));
                }
                prop_assert_eq!(ranked.len(), set.len());
                prop_assert_eq!(ranked.first(), set.first().copied());
                prop_assert_eq!(ranked.last(), set.last().copied());
                if n % 16 == 0 {
                    prop_assert_eq!(ranked.rank(&key), set.range(..key).count());
                }
            }
        }
    }
}
