//! Where a change of a certificate came from, and its result.

/// How a certificate's row came here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::engine) enum RowOrigin {
    /// It was drawn here, and has been in the ledger since then.
    Drawn,
    /// Nothing newer is known: the feed told it, or it was changed here.
    Newest,
    /// It was read a moment ago: what is known already may be newer.
    Read,
}

/// Whether a change could be taken in; of several the last of these counts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::engine) enum Applied {
    /// It is in.
    Done,
    /// Sums have to be made anew from the store.
    SumAnew,
    /// The feed does not go on from where it was read: the index has to be loaded anew as well.
    PlaceLost,
}
