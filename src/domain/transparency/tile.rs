//! Tiles: 256 nodes of one level in one file (<https://c2sp.org/tlog-tiles>).

use super::merkle::{Hash, Node, subtree_hash};

/// Nodes in a full tile.
pub const WIDTH: u64 = 256;

/// The binary logarithm of [`WIDTH`].
const LEVELS: u8 = 8;

/// A tile of hashes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct HashTile {
    /// Its level: its hashes are nodes of level 8 × this.
    pub level: u8,
    /// Its index among the tiles of its level.
    pub index: u64,
    /// The number of hashes: 256 if it is full.
    pub width: u64,
}

impl HashTile {
    /// The tile that contains or determines the hash of a node, in a tree with this many leaves.
    #[must_use]
    pub fn with(node: Node, tree_size: u64) -> Self {
        let level = node.level / LEVELS;
        let first = node.index << (node.level % LEVELS);
        let index = first / WIDTH;
        let row = tree_size >> (level * LEVELS);
        Self {
            level,
            index,
            width: WIDTH.min(row.saturating_sub(index * WIDTH)),
        }
    }

    /// Its path relative to the log's monitoring URL.
    #[must_use]
    pub fn path(self) -> String {
        let partial = match self.width {
            WIDTH => String::new(),
            width => format!(".p/{width}"),
        };
        format!("tile/{}/{}{partial}", self.level, index(self.index))
    }

    /// Its length in octets.
    #[must_use]
    pub const fn octets(self) -> u64 {
        self.width * 32
    }

    /// The hash of a node in it or above; `None` if its octets do not determine it.
    #[must_use]
    pub fn hash(self, octets: &[u8], node: Node) -> Option<Hash> {
        let (hashes, rest) = octets.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() as u64 != self.width {
            return None;
        }
        let below = node.level % LEVELS;
        let first = usize::try_from((node.index << below) % WIDTH).ok()?;
        subtree_hash(hashes.get(first..first + (1 << below))?)
    }
}

/// The path of a full data tile relative to the log's monitoring URL.
#[must_use]
pub fn data_path(tile: u64) -> String {
    format!("tile/data/{}", index(tile))
}

/// The node above the leaves of a full data tile.
#[must_use]
pub const fn node_above(tile: u64) -> Node {
    Node {
        level: LEVELS,
        index: tile,
    }
}

/// The number in groups of three digits, all but the last prefixed with `x`: `x001/x234/067`.
fn index(number: u64) -> String {
    let mut path = format!("{:03}", number % 1_000);
    let mut rest = number / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_the_specification_shows_them() {
        assert_eq!(data_path(1_234_067), "tile/data/x001/x234/067");
        let tile = |level, index, width| HashTile {
            level,
            index,
            width,
        };
        assert_eq!(tile(0, 273, 256).path(), "tile/0/273");
        assert_eq!(tile(1, 0, 4).path(), "tile/1/000.p/4");
    }

    #[test]
    fn a_node_lies_in_the_tile_of_its_level_or_below() {
        let node = |level, index| Node { level, index };
        let of = |node| HashTile::with(node, 70_000);
        // 70,000 leaves: 273 full tiles and 112 leaves; 273 hashes above; 1 above those.
        assert_eq!(of(node(0, 69_999)).path(), "tile/0/273.p/112");
        assert_eq!(of(node(8, 0)).path(), "tile/1/000");
        assert_eq!(of(node(8, 272)).path(), "tile/1/001.p/17");
        assert_eq!(of(node(16, 0)).path(), "tile/2/000.p/1");
        assert_eq!(of(node(7, 1)).path(), "tile/0/000");
        let octets: Vec<u8> = (0..=255).flat_map(|n| [n; 32]).collect();
        let tile = of(node(7, 1));
        let hashes: Vec<Hash> = (128..=255).map(|n| [n; 32]).collect();
        assert_eq!(tile.hash(&octets, node(7, 1)), subtree_hash(&hashes));
        assert_eq!(tile.hash(&octets[1..], node(7, 1)), None);
    }
}
