//! The position in each log.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;
use crate::domain::transparency::merkle::Hash;

/// The positions of a source's logs, by their ids in base64.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Cursor {
    pub(super) logs: BTreeMap<String, Place>,
}

/// The position in a log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// The size of the newest tree seen …
    pub(super) size: u64,
    /// … and its root, in base64.
    root: String,
    /// Blocks before this one were read or skipped by the sample.
    pub(super) next: u64,
    /// The newest instant that was read.
    pub(super) until: Timestamp,
    /// Every n-th block is read.
    pub(super) every: u64,
    /// The same for blocks more than a day old.
    #[serde(default)]
    pub(super) every_behind: Option<u64>,
}

impl Place {
    /// The start position: the next block to read, and the time up to which earlier blocks reach.
    pub(super) fn new((size, root): (u64, &Hash), (next, until): (u64, Timestamp)) -> Self {
        Self {
            size,
            root: STANDARD.encode(root),
            next,
            until,
            every: 1,
            every_behind: None,
        }
    }

    /// The newest tree seen.
    pub(super) fn tree(&self) -> Option<(u64, Hash)> {
        let root = STANDARD.decode(&self.root).ok()?.try_into().ok()?;
        Some((self.size, root))
    }

    pub(super) fn grow(&mut self, size: u64, root: &Hash) {
        self.size = size;
        self.root = STANDARD.encode(root);
    }
}
