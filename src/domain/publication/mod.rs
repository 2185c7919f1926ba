//! What is published: the ranking of the slots, their weights, the documents, and the best time
//! drawn from them. Also what people see of a ranking: the page, the map in a terminal, and the
//! weekly report.

pub mod best_time;
pub mod documents;
pub mod page;
mod palette;
pub mod prior;
pub mod published;
pub mod ranking;
mod sentence;
pub mod terminal;
pub mod weekly;
pub mod weights;
