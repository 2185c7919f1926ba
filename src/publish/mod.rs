//! The static tree: the files of a publication, their cache policies, and writing them.

mod access;
pub mod apply;
pub mod keep;
pub mod place;
pub mod plan;
pub mod remote;
pub mod sign;
pub mod verify;
