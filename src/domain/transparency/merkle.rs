//! The Merkle trees of Certificate Transparency logs (RFC 9162 section 2.1).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// A node's hash.
pub type Hash = [u8; 32];

/// The root of a complete subtree: number `index` among those with `2^level` leaves.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// The binary logarithm of its number of leaves.
    pub level: u8,
    /// Its index among the nodes of its level.
    pub index: u64,
}

impl Node {
    /// Its first leaf.
    #[must_use]
    pub const fn first_leaf(self) -> u64 {
        self.index << self.level
    }
}

/// The hash of a leaf (RFC 9162 section 2.1.1).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(leaf)
        .finalize()
        .into()
}

/// The hash of the parent of two nodes.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The hash of a complete subtree from its leaves' hashes; `None` unless their number is a power of
/// two.
#[must_use]
pub fn subtree_hash(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs
            .iter()
            .map(|[left, right]| node_hash(left, right))
            .collect();
    }
    row.first().copied()
}

/// Complete subtrees that together make up the tree of the first `size` leaves. None of them
/// crosses any of `borders`, which are numbers of leaves.
#[must_use]
pub fn nodes(size: u64, borders: &[u64]) -> Vec<Node> {
    let mut found = Vec::new();
    walk(0, size, borders, &mut |node| {
        found.push(node);
        Some([0; 32])
    });
    found
}

/// The root of the tree of the first `size` leaves, from the hashes of its [`nodes`]; `None` if one
/// is missing. The root of the empty tree is the hash of nothing.
#[must_use]
pub fn root(size: u64, borders: &[u64], hashes: &BTreeMap<Node, Hash>) -> Option<Hash> {
    if size == 0 {
        return Some(Sha256::digest([]).into());
    }
    walk(0, size, borders, &mut |node| hashes.get(&node).copied())
}

/// Whether the tree of `new_size` leaves begins with the one of `old_size`: verifies a proof of RFC
/// 9162 section 2.1.4.1 by its section 2.1.4.2.
#[must_use]
pub fn is_consistent(
    (old_size, old_root): (u64, &Hash),
    (new_size, new_root): (u64, &Hash),
    proof: &[Hash],
) -> bool {
    if old_size == new_size {
        return old_root == new_root && proof.is_empty();
    }
    if old_size == 0 || old_size > new_size {
        return old_size == 0 && proof.is_empty();
    }
    let (mut inner, mut last) = (old_size - 1, new_size - 1);
    while inner & 1 == 1 {
        inner >>= 1;
        last >>= 1;
    }
    let mut proof = proof.iter();
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        proof.next()
    };
    let Some(first) = first else {
        return false;
    };
    let (mut of_old, mut of_new) = (*first, *first);
    for hash in proof {
        if last == 0 {
            return false;
        }
        if inner & 1 == 1 || inner == last {
            of_old = node_hash(hash, &of_old);
            of_new = node_hash(hash, &of_new);
            while inner & 1 == 0 && inner != 0 {
                inner >>= 1;
                last >>= 1;
            }
        } else {
            of_new = node_hash(&of_new, hash);
        }
        inner >>= 1;
        last >>= 1;
    }
    last == 0 && of_old == *old_root && of_new == *new_root
}

/// The hash of the leaves from `from` to before `to`. Taken from `read` if they are a complete
/// subtree between borders, else computed from both halves, split as in RFC 9162 section 2.1.1.
fn walk(
    from: u64,
    to: u64,
    borders: &[u64],
    read: &mut dyn FnMut(Node) -> Option<Hash>,
) -> Option<Hash> {
    let leaves = to - from;
    let whole = leaves.is_power_of_two() && from.is_multiple_of(leaves);
    if whole && !borders.iter().any(|border| from < *border && *border < to) {
        let level = leaves.trailing_zeros();
        return read(Node {
            level: u8::try_from(level).ok()?,
            index: from >> level,
        });
    }
    if leaves <= 1 {
        return None;
    }
    // The largest power of two below the number of leaves.
    let half = 1 << (leaves - 1).ilog2();
    let left = walk(from, from + half, borders, read)?;
    let right = walk(from + half, to, borders, read)?;
    Some(node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    /// The hash by the definition in the RFC.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                node_hash(&defined(&leaves[..half]), &defined(&leaves[half..]))
            }
        }
    }

    fn hashes(leaves: &[Hash], nodes: &[Node]) -> BTreeMap<Node, Hash> {
        let hash = |node: &Node| {
            let from = usize::try_from(node.first_leaf()).unwrap();
            let of = &leaves[from..from + (1 << node.level)];
            (*node, subtree_hash(of).unwrap())
        };
        nodes.iter().map(hash).collect()
    }

    #[test]
    fn the_root_is_as_the_rfc_defines_it_wherever_it_is_split() {
        for size in 0..70 {
            let leaves = leaves(size);
            for border in 0..=size {
                let nodes = if size == 0 {
                    Vec::new()
                } else {
                    nodes(size, &[border])
                };
                let hashes = hashes(&leaves, &nodes);
                assert_eq!(root(size, &[border], &hashes), Some(defined(&leaves)));
                // The nodes before the border suffice for the tree that ended there.
                assert_eq!(
                    root(border, &[], &hashes),
                    Some(defined(&leaves[..usize::try_from(border).unwrap()])),
                    "{border} of {size}"
                );
            }
        }
    }

    /// PROOF of RFC 9162 section 2.1.4.1.
    fn proof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole { vec![] } else { vec![defined(leaves)] };
        }
        let half = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(half);
        if old <= half {
            let mut found = proof(old, left, whole);
            found.push(defined(right));
            found
        } else {
            let mut found = proof(old - half, right, false);
            found.push(defined(left));
            found
        }
    }

    #[test]
    fn a_grown_tree_is_distinguished_from_a_changed_one() {
        let all = leaves(40);
        for new in 1..=40 {
            for old in 1..=new {
                let (old_root, new_root) = (defined(&all[..old]), defined(&all[..new]));
                let shown = proof(old, &all[..new], true);
                let sizes = (old as u64, new as u64);
                assert!(is_consistent(
                    (sizes.0, &old_root),
                    (sizes.1, &new_root),
                    &shown
                ));
                let mut other = old_root;
                other[0] ^= 1;
                assert!(!is_consistent(
                    (sizes.0, &other),
                    (sizes.1, &new_root),
                    &shown
                ));
                if let [first, ..] = &shown[..] {
                    let longer = [&shown[..], &[*first]].concat();
                    for wrong in [&shown[1..], &longer] {
                        assert!(!is_consistent(
                            (sizes.0, &old_root),
                            (sizes.1, &new_root),
                            wrong
                        ));
                    }
                }
            }
        }
    }
}
