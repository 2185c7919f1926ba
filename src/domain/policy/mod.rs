//! The configuration of a CA: its rules, its capacity over time, planned events, notes.

pub mod ca;
pub mod capacity;
pub mod note;
pub mod planned;
