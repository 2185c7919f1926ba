//! What is published: the ranking of the slots, their weights, the documents, and the best time that is
//! drawn from them; and what is made of a ranking for people: the page, the map in a terminal, the report
//! of a week.

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
