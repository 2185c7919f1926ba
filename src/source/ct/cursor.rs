//! How far each log has been read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;
use crate::domain::transparency::merkle::Hash;

/// The places of a source's logs, by their ids in base64.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Cursor {
    pub(super) logs: BTreeMap<String, Place>,
}

/// How far a log has been read.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// Leaves of the newest tree that was shown, …
    pub(super) size: u64,
    /// … and its root, in base64.
    root: String,
    /// Blocks before this one were read, or left out of the sample.
    pub(super) next: u64,
    /// The newest instant that was read.
    pub(super) until: Timestamp,
    /// Every so many-th block is read.
    pub(super) every: u64,
    /// The same of what lies more than a day back.
    #[serde(default)]
    pub(super) every_behind: Option<u64>,
}

impl Place {
    /// At the beginning of a log: the block to be read next, and until when those before it reach.
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

    /// The newest tree that was shown.
    pub(super) fn tree(&self) -> Option<(u64, Hash)> {
        let root = STANDARD.decode(&self.root).ok()?.try_into().ok()?;
        Some((self.size, root))
    }

    pub(super) fn grow(&mut self, size: u64, root: &Hash) {
        self.size = size;
        self.root = STANDARD.encode(root);
    }
}
