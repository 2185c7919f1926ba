//! Certificates on their way in: judged, drawn, stored, and only then in memory.

pub(super) mod namesakes;
pub(super) mod preview;
pub(super) mod registration;
pub(super) mod step;
pub(super) mod successions;
pub(super) mod told_issuers;
pub(super) mod unclaimed;
