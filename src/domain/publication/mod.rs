//! What is published: the ranking of the slots, their weights, the documents, and the best time that is
//! drawn from them.

pub mod best_time;
pub mod documents;
pub mod ranking;
pub mod weights;
