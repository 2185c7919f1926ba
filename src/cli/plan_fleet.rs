//! A fleet from the command line: a list, a folder of certificates, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf, absolute};

use anyhow::{Context as _, bail};

use super::given::{is_stdin, name_of};
use super::paths::files_of;
use crate::domain::plan::{Addressee, MOST_CERTIFICATES};
use crate::domain::time::Timestamp;
use crate::ingest::fleet::{Fleet, MOST_LIST_OCTETS, Member, Usual, certificates};
use crate::ingest::pem_or_der;

/// The fleet, and the files of a folder that could not be read.
///
/// # Errors
/// Nothing can be read, or a line of a list is wrong.
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
    let files = files_of(&[whole(path)?])?;
    let (members, unread) = certificates(&files);
    let fleet = Fleet {
        members,
        table: None,
    };
    Ok((fleet, unread))
}

/// The absolute path. The names of the parent folders show which client made a folder, and `.` or
/// `certs/..` would hide them.
fn whole(path: &Path) -> anyhow::Result<PathBuf> {
    let whole = match path.components().next_back() {
        Some(Component::ParentDir) => path.canonicalize(),
        _ => absolute(path),
    };
    whole.with_context(|| format!("cannot read {}", path.display()))
}

/// A fleet of this many certificates without a list.
pub(super) fn counted(count: usize) -> Fleet {
    Fleet {
        members: vec![Member::default(); count.min(MOST_CERTIFICATES + 1)],
        table: None,
    }
}

/// The certificate that a time is for.
pub(super) fn addressee(member: &Member, now: Timestamp) -> Addressee<'_> {
    let name = member.names.first().filter(|_| member.cert_id.is_none());
    Addressee {
        id: member.id.as_ref().or(name).map(String::as_str),
        cert_id: member.cert_id.as_ref(),
        account: member.account.as_deref(),
        missed: member.missed(now),
    }
}

/// The first certificate whose own times conflict with the plan's deadline.
pub(super) fn conflict(fleet: &Fleet, usual: &Usual<'_>) -> Option<String> {
    fleet.members.iter().find_map(|member| {
        let (field, reason) = member.check_under(usual).err()?;
        Some(format!("{}: {field}: {reason}", member.label()))
    })
}
