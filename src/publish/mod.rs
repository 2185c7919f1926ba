//! The static tree: which files a publication is, how they are to be cached, and how they are
//! written.

mod access;
pub mod apply;
pub mod keep;
pub mod place;
pub mod plan;
pub mod remote;
pub mod sign;
pub mod verify;
