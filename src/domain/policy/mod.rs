//! What an operator has configured of a CA: its rules, when how much is open, what is planned.

pub mod ca;
pub mod capacity;
pub mod planned;
