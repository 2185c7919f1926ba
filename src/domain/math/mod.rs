//! Numbers and the mathematics that know nothing of certificates: careful conversions,
//! water-filling, least squares.

pub mod least_squares;
pub mod number;
pub mod waterfill;
