//! What is published and handed to peers, and when it is worth doing anew.

pub(super) mod compared;
pub(super) mod exporting;
pub(super) mod news;
pub(super) mod publisher;
