//! A fleet as the command line names it: a list, a folder of certificates, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::given::{is_stdin, name_of};
use super::paths::files_of;
use crate::ingest::fleet::{Fleet, MOST_LIST_OCTETS, certificates};
use crate::ingest::pem_or_der;

/// The fleet, and what of a folder could not be read.
///
/// # Errors
/// Where nothing can be read, or a line of a list is wrong.
pub(super) fn read(path: &Path) -> anyhow::Result<(Fleet, Vec<String>)> {
    let name = name_of(path);
    if !is_stdin(path) && path.is_dir() {
        return of_files(path);
    }
    let input: Box<dyn Read> = if is_stdin(path) {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {name}"))?)
    };
    let mut octets = Vec::new();
    let read = input.take(MOST_LIST_OCTETS + 1).read_to_end(&mut octets);
    read.with_context(|| format!("cannot read {name}"))?;
    if octets.len() as u64 > MOST_LIST_OCTETS {
        bail!("{name} has more than {MOST_LIST_OCTETS} octets: plan a part of the fleet at a time");
    }
    if !is_stdin(path) && pem_or_der(&octets) {
        return of_files(path);
    }
    let fleet = Fleet::parse(&octets).with_context(|| name)?;
    Ok((fleet, Vec::new()))
}

fn of_files(path: &Path) -> anyhow::Result<(Fleet, Vec<String>)> {
    let files = files_of(&[path.to_owned()])?;
    let (members, unread) = certificates(&files);
    let fleet = Fleet {
        members,
        table: None,
    };
    Ok((fleet, unread))
}
