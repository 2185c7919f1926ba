//! Logs of Certificate Transparency: signed trees, tiles and leaves (RFC 6962 and the Static CT API,
//! <https://c2sp.org/static-ct-api>), and what a sample of a log says.

pub mod checkpoint;
pub mod leaf;
pub mod list;
pub mod merkle;
pub mod sample;
pub mod tile;
