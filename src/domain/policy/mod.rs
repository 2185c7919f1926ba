//! What an operator has configured of a CA: its rules, when how much is open, what is planned, what is noted.

pub mod ca;
pub mod capacity;
pub mod note;
pub mod planned;
