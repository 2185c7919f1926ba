//! Certificate Transparency logs: signed trees, tiles and leaves (RFC 6962 and the Static CT API,
//! <https://c2sp.org/static-ct-api>), and estimates from a sample of a log.

pub mod checkpoint;
pub mod leaf;
pub mod list;
pub mod merkle;
pub mod sample;
pub mod tile;
