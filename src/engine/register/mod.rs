//! Registration: certificates are checked, drawn, stored, and only then added to memory.

pub(super) mod logged_issuers;
pub(super) mod namesakes;
pub(super) mod preview;
pub(super) mod registration;
pub(super) mod step;
pub(super) mod successions;
pub(super) mod unclaimed;
