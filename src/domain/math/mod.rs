//! Mathematics that does not depend on certificates: number conversions, water-filling, least
//! squares.

pub mod least_squares;
pub mod number;
pub mod waterfill;
