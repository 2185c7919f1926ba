//! Access to a log: its signed tree, and blocks of 256 leaves that are verified against it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::super::fetch::Fetcher;
use super::super::progress::SourceError;
use super::key::has_signed;
use crate::domain::transparency::checkpoint::{SignedTree, log_id};
use crate::domain::transparency::leaf::Leaf;
use crate::domain::transparency::list::{Log, Protocol};
use crate::domain::transparency::merkle::{self, Hash, Node};
use crate::domain::transparency::tile::{self, HashTile};

/// A checkpoint has some hundred octets, and about a hundred for each witness's signature.
const MOST_CHECKPOINT_OCTETS: usize = 64 << 10;
/// A certificate has at most 2^24 octets, and 256 real ones with their precertificates have 0.4 MB.
/// Answers of RFC 6962 contain whole chains in base64, about eight times that.
const MOST_BLOCK_OCTETS: usize = 32 << 20;
/// Full hash tiles cached: those that are needed repeatedly on each of the four levels of a log
/// with 10^9 leaves. 64 of 8 kB are 512 kB per log.
const MOST_TILES: usize = 64;

/// A log, and its known hashes.
#[derive(Debug)]
pub struct RemoteLog {
    log: Log,
    tiles: BTreeMap<HashTile, Vec<u8>>,
    /// Octets received since its tree was last requested.
    taken: AtomicU64,
}

/// Verified leaves of a log.
#[derive(Debug)]
pub struct Block(Form);

#[derive(Debug)]
enum Form {
    /// A data tile.
    Tile(Vec<u8>),
    /// The `leaf_input` values of get-entries.
    Inputs(Vec<Vec<u8>>),
}

impl Block {
    /// The leaves, in order.
    #[must_use]
    pub fn leaves(&self) -> Vec<Leaf<'_>> {
        match &self.0 {
            Form::Tile(octets) => Leaf::of_tile(octets).unwrap_or_default(),
            Form::Inputs(inputs) => inputs
                .iter()
                .filter_map(|input| Leaf::of_leaf_input(input))
                .collect(),
        }
    }
}

#[derive(Deserialize)]
struct Sth {
    tree_size: u64,
    timestamp: u64,
    sha256_root_hash: String,
    tree_head_signature: String,
}

#[derive(Deserialize)]
struct Consistency {
    consistency: Vec<String>,
}

#[derive(Deserialize)]
struct Entries {
    entries: Vec<GivenEntry>,
}

#[derive(Deserialize)]
struct GivenEntry {
    leaf_input: String,
}

impl RemoteLog {
    /// Access to a log of a list.
    #[must_use]
    pub const fn new(log: Log) -> Self {
        Self {
            log,
            tiles: BTreeMap::new(),
            taken: AtomicU64::new(0),
        }
    }

    /// Octets received (decompressed) since its tree was last requested: the cost of the request
    /// and of the blocks read after it.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// The log's entry in the list.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// Its id in base64, the key of its position.
    #[must_use]
    pub fn id(&self) -> String {
        STANDARD.encode(log_id(&self.log.key))
    }

    /// The log's present tree, with a verified signature.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn tree(&self, fetcher: &Fetcher) -> Result<SignedTree, SourceError> {
        self.taken.store(0, Ordering::Relaxed);
        let tree = match &self.log.protocol {
            Protocol::Static { origin } => {
                let octets = self
                    .get(fetcher, "checkpoint", MOST_CHECKPOINT_OCTETS)
                    .await?;
                let text = String::from_utf8_lossy(&octets);
                SignedTree::of_checkpoint(&text, origin, &log_id(&self.log.key))
                    .map_err(|error| self.wrong(&error.to_string()))?
            }
            Protocol::Rfc6962 => {
                let sth: Sth = self
                    .json(fetcher, "ct/v1/get-sth", MOST_CHECKPOINT_OCTETS)
                    .await?;
                let root = STANDARD.decode(&sth.sha256_root_hash).ok();
                let root = root.and_then(|root| root.try_into().ok());
                let signature = STANDARD.decode(&sth.tree_head_signature).ok();
                root.zip(signature)
                    .and_then(|(root, signature)| {
                        SignedTree::with(sth.tree_size, root, sth.timestamp, &signature)
                    })
                    .ok_or_else(|| self.wrong("its tree head is not as it should be"))?
            }
        };
        if has_signed(&self.log.key, &tree) {
            Ok(tree)
        } else {
            Err(self.wrong("its tree is not signed by its key"))
        }
    }

    /// Verifies that a tree begins with the previous one and, for static logs, that its root
    /// matches its hashes.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn check_growth(
        &mut self,
        fetcher: &Fetcher,
        (old_size, old_root): (u64, &Hash),
        new: &SignedTree,
    ) -> Result<(), SourceError> {
        let inconsistent = "it shows a tree that does not begin with the one that it showed before";
        if old_size == new.size {
            return if *old_root == new.root {
                Ok(())
            } else {
                Err(self.wrong("it shows two trees of one size"))
            };
        }
        if self.log.protocol == Protocol::Rfc6962 {
            if old_size == 0 {
                return Ok(());
            }
            let path = format!(
                "ct/v1/get-sth-consistency?first={old_size}&second={}",
                new.size
            );
            let answer: Consistency = self.json(fetcher, &path, MOST_CHECKPOINT_OCTETS).await?;
            let proof: Option<Vec<Hash>> = answer
                .consistency
                .iter()
                .map(|hash| STANDARD.decode(hash).ok()?.try_into().ok())
                .collect();
            let holds = proof.is_some_and(|proof| {
                merkle::is_consistent((old_size, old_root), (new.size, &new.root), &proof)
            });
            return if holds {
                Ok(())
            } else {
                Err(self.wrong(inconsistent))
            };
        }
        let borders = [old_size];
        let hashes = self.hashes(fetcher, new, &borders, None).await?;
        if merkle::root(new.size, &borders, &hashes) != Some(new.root) {
            return Err(self.wrong("its hashes are not those of the tree that it signed"));
        }
        if old_size > 0 && merkle::root(old_size, &[], &hashes) != Some(*old_root) {
            return Err(self.wrong(inconsistent));
        }
        Ok(())
    }

    /// The 256 leaves of block `number`, counted from 0, which must be complete in the tree. Leaves
    /// of a static log are verified against its root.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn block(
        &mut self,
        fetcher: &Fetcher,
        number: u64,
        tree: &SignedTree,
    ) -> Result<Block, SourceError> {
        if self.log.protocol == Protocol::Rfc6962 {
            return self.entries(fetcher, number * tile::WIDTH).await;
        }
        let octets = self
            .get(fetcher, &tile::data_path(number), MOST_BLOCK_OCTETS)
            .await?;
        let leaves = Leaf::of_tile(&octets).map_err(|error| self.wrong(&error.to_string()))?;
        if leaves.len() as u64 != tile::WIDTH {
            return Err(self.wrong("a full tile of it has not 256 entries"));
        }
        let of_leaves: Vec<Hash> = leaves.iter().map(Leaf::hash).collect();
        let above = tile::node_above(number);
        let known = merkle::subtree_hash(&of_leaves).map(|hash| (above, hash));
        let first = above.first_leaf();
        let borders = [first, first + tile::WIDTH];
        let hashes = self.hashes(fetcher, tree, &borders, known).await?;
        if merkle::root(tree.size, &borders, &hashes) != Some(tree.root) {
            return Err(self.wrong("its entries are not those of the tree that it signed"));
        }
        Ok(Block(Form::Tile(octets)))
    }

    /// 256 entries of an RFC 6962 log, which may return fewer at once.
    async fn entries(&self, fetcher: &Fetcher, first: u64) -> Result<Block, SourceError> {
        let mut inputs = Vec::new();
        while (inputs.len() as u64) < tile::WIDTH {
            let from = first + inputs.len() as u64;
            let path = format!(
                "ct/v1/get-entries?start={from}&end={}",
                first + tile::WIDTH - 1
            );
            let body = self.get(fetcher, &path, MOST_BLOCK_OCTETS).await?;
            let given: Entries = serde_json::from_slice(&body)
                .map_err(|error| self.wrong(&format!("{path} is no answer: {error}")))?;
            if given.entries.is_empty() {
                return Err(self.wrong("it gives no entries where its tree has some"));
            }
            for entry in given.entries {
                let input = STANDARD
                    .decode(&entry.leaf_input)
                    .ok()
                    .filter(|input| Leaf::of_leaf_input(input).is_some())
                    .ok_or_else(|| self.wrong("an entry of it is not as it should be"))?;
                inputs.push(input);
            }
        }
        inputs.truncate(256);
        Ok(Block(Form::Inputs(inputs)))
    }

    /// The hashes of the nodes that make up a tree, split at the borders.
    async fn hashes(
        &mut self,
        fetcher: &Fetcher,
        tree: &SignedTree,
        borders: &[u64],
        known: Option<(Node, Hash)>,
    ) -> Result<BTreeMap<Node, Hash>, SourceError> {
        let mut hashes: BTreeMap<Node, Hash> = known.into_iter().collect();
        for node in merkle::nodes(tree.size, borders) {
            if hashes.contains_key(&node) {
                continue;
            }
            let tile = HashTile::with(node, tree.size);
            if !self.tiles.contains_key(&tile) {
                let most = usize::try_from(tile.octets()).unwrap_or(usize::MAX);
                let octets = self.get(fetcher, &tile.path(), most).await?;
                self.keep(tile, octets);
            }
            let hash = self
                .tiles
                .get(&tile)
                .and_then(|octets| tile.hash(octets, node));
            let hash =
                hash.ok_or_else(|| self.wrong("a tile of it is not as long as it should be"))?;
            hashes.insert(node, hash);
        }
        Ok(hashes)
    }

    /// Caches a tile. Partial tiles belong to one tree only, so they are dropped first.
    fn keep(&mut self, tile: HashTile, octets: Vec<u8>) {
        if self.tiles.len() >= MOST_TILES {
            self.tiles
                .retain(|tile, _| tile.width == tile::WIDTH && tile.level > 0);
        }
        if self.tiles.len() >= MOST_TILES {
            self.tiles.clear();
        }
        self.tiles.insert(tile, octets);
    }

    async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        fetcher: &Fetcher,
        path: &str,
        most: usize,
    ) -> Result<T, SourceError> {
        let body = self.get(fetcher, path, most).await?;
        serde_json::from_slice(&body)
            .map_err(|error| self.wrong(&format!("{path} is no answer: {error}")))
    }

    async fn get(
        &self,
        fetcher: &Fetcher,
        path: &str,
        most: usize,
    ) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}/{path}", self.log.url);
        let operator = &self.log.operator;
        let octets = fetcher.get_configured(operator, &url, most).await?;
        self.taken.fetch_add(octets.len() as u64, Ordering::Relaxed);
        Ok(octets)
    }

    fn wrong(&self, what: &str) -> SourceError {
        SourceError::Wrong(format!("{}: {what}", self.log.description))
    }
}
