//! Without notifications of changes, a folder is checked at regular times only.

use std::future::pending;
use std::io;
use std::path::Path;

/// A watch that never notifies.
#[derive(Debug)]
pub(super) struct Watch;

impl Watch {
    pub(super) fn begin() -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub(super) fn add(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) async fn changed(&self) {
        pending().await
    }
}
