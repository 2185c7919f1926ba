//! The index: every live certificate in memory, with what a `renewalInfo` answer needs, and what is
//! needed to remove the certificate from the ledger again.

mod certificates;
mod entry;
mod extras;
mod fingerprint;
mod group;
mod issuers;
mod key;
mod overflow;
mod packing;
#[cfg(test)]
mod packing_tests;
mod pages;
mod quantized;
mod row;
mod sealed;
mod shared_fields;
mod slab;
mod snapshot;
#[cfg(test)]
mod snapshot_tests;
mod standalone;
mod table;
#[cfg(test)]
mod table_tests;
mod unusable;

pub use certificates::Index;
pub(crate) use entry::Entry;
pub(super) use entry::{Came, Kept, booking, mark};
pub(super) use extras::SnapshotExtras;
pub(crate) use fingerprint::Fingerprint;
pub(super) use group::{Group, Renewal};
pub(super) use snapshot::{Header, Snapshot};
pub(super) use unusable::Unusable;
