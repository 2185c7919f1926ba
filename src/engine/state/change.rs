//! The origin of a certificate's change, and its result.

/// Where a certificate's row came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum RowOrigin {
    /// It was drawn here, and has been in the ledger since.
    Drawn,
    /// It is the newest version: the feed returned it, or it was changed here.
    Newest,
    /// It was read a moment ago; a newer version may be known already.
    Read,
}

/// Whether a change could be applied. Of several results, the last of these counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::engine) enum Applied {
    /// It was applied.
    Done,
    /// The sums must be rebuilt from the store.
    SumAnew,
    /// The feed does not continue from where it was read, so the index must be rebuilt as well.
    PlaceLost,
}
