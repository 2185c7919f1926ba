//! Fleets: the certificates that someone operates, read from lists, files and folders of ACME
//! clients.

mod columns;
mod folder;
mod list;
mod member;

pub use columns::look_alikes;
pub use folder::certificates;
pub use list::{Fleet, FleetError, MOST_LIST_OCTETS, PLANNED, Table};
pub use member::{Member, Usual};

#[cfg(test)]
mod tests;
