//! The answers of the public listener, one file per resource.

pub(super) mod best_time;
pub(super) mod contract;
pub(super) mod directory;
pub(super) mod documents;
pub(super) mod fast_path;
pub(super) mod feed;
pub(super) mod forecast;
pub(super) mod fresh;
pub(super) mod renewal_info;
pub(super) mod report;
pub(super) mod served;
pub(super) mod status;
pub(super) mod summary;
