//! What is published and exported to peers, and when a new publication is worthwhile.

pub(super) mod compared;
pub(super) mod exporting;
pub(super) mod news;
pub(super) mod publisher;
