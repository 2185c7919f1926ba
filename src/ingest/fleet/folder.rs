//! Folders of certificates: PEM files, certbot's `live/`, and those of Caddy, lego and acme.sh.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::member::Member;
use crate::domain::certificate::certid::CertId;
use crate::domain::plan::MOST_CERTIFICATES;
use crate::engine::verdict::Rejection;
use crate::ingest::certificate;
use crate::ingest::decode::{Decode, Item};
use crate::ingest::x509::Facts;

/// The largest file, in octets: several times a chain of a hundred certificates.
const MOST_FILE_OCTETS: u64 = 16 << 20;

/// The ACME client with this file layout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Layout {
    AcmeSh,
    Caddy,
    Certbot,
    Lego,
    Plain,
}

/// The certificates in these files except those of CAs, and the files that could not be read, with
/// the reasons. If several files contain the same certificate, it counts once. If a folder contains
/// several certificates for the same names, the newest counts.
#[must_use]
pub fn certificates(files: &[PathBuf]) -> (Vec<Member>, Vec<String>) {
    let mut members = Vec::new();
    let mut unread = Vec::new();
    let mut accounts = HashMap::new();
    let live = files.iter().any(|file| is_live(file));
    for file in files {
        // certbot keeps all earlier certificates next to the current ones.
        if live && is_in(file, "archive") {
            continue;
        }
        match read(file) {
            Ok(found) => {
                for facts in found {
                    match facts {
                        Ok(facts) if facts.is_ca => {}
                        Ok(facts) => members.push(member(file, facts, &mut accounts)),
                        Err(Rejection { field, detail }) => {
                            unread.push(format!("{}: {field}: {detail}", file.display()));
                        }
                    }
                }
            }
            Err(error) => unread.push(format!("{}: {error}", file.display())),
        }
    }
    (once_each(members), unread)
}

/// Plans once a certificate that is in several files, or that has its successor next to it.
fn once_each(members: Vec<(String, Member)>) -> Vec<Member> {
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    let mut by_id: HashMap<CertId, usize> = HashMap::new();
    let mut by_names: HashMap<(String, Vec<String>), usize> = HashMap::new();
    for (place, member) in members {
        let mut names = member.names.clone();
        names.sort_unstable();
        let same = member.cert_id.as_ref().and_then(|id| by_id.get(id));
        let newer = by_names
            .get(&(place.clone(), names.clone()))
            .filter(|_| !names.is_empty());
        if let Some(at) = same.or(newer).copied() {
            if kept[at].not_after < member.not_after {
                kept[at] = member;
            }
            continue;
        }
        let at = kept.len();
        if let Some(id) = &member.cert_id {
            by_id.insert(id.clone(), at);
        }
        by_names.insert((place, names), at);
        kept.push(member);
    }
    kept.truncate(MOST_CERTIFICATES + 1);
    kept
}

fn read(file: &Path) -> io::Result<Vec<Result<Facts, Rejection>>> {
    let length = fs::metadata(file)?.len();
    if length > MOST_FILE_OCTETS {
        let reason = format!("it has {length} octets, {MOST_FILE_OCTETS} are the most");
        return Err(io::Error::other(reason));
    }
    let mut decoder: Box<dyn Decode<Facts>> = certificate::facts();
    let mut found: Vec<Item<Facts>> = Vec::new();
    decoder.push(&fs::read(file)?, &mut found);
    decoder.finish(&mut found);
    Ok(found.into_iter().map(|item| item.record).collect())
}

fn member(
    file: &Path,
    facts: Facts,
    accounts: &mut HashMap<PathBuf, Option<String>>,
) -> (String, Member) {
    let layout = Layout::of(file);
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let linked = linked_archive(file);
    let validity = facts.validity.ok();
    let member = Member {
        id: layout.name(file),
        cert_id: facts.id.ok(),
        names: facts.names,
        not_before: validity.map(|validity| validity.not_before),
        not_after: validity.map(|validity| validity.not_after),
        account: (layout == Layout::Certbot)
            .then(|| account(linked.as_deref().unwrap_or(folder), accounts))
            .flatten(),
        // certbot requests windows but does not state what it replaces, so it is not exempt.
        ari: (layout == Layout::Certbot).then_some(false),
        ..Member::default()
    };
    (folder.display().to_string(), member)
}

/// The account in certbot's `renewal/NAME.conf`, next to `live/NAME` and `archive/NAME`.
fn account(live: &Path, known: &mut HashMap<PathBuf, Option<String>>) -> Option<String> {
    let name = live.file_name()?.to_str()?;
    let conf = live
        .parent()?
        .parent()?
        .join("renewal")
        .join(format!("{name}.conf"));
    let read = |conf: &PathBuf| {
        let text = fs::read_to_string(conf).ok()?;
        let value = |line: &str| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "account").then(|| value.trim().to_owned())
        };
        text.lines().find_map(value)
    };
    known
        .entry(conf.clone())
        .or_insert_with(|| read(&conf))
        .clone()
}

/// Whether it is one of certbot's current files: in a folder `live`, or, if that has another name,
/// a link into an `archive`.
fn is_live(file: &Path) -> bool {
    is_in(file, "live") || linked_archive(file).is_some()
}

/// The folder `archive/NAME` that one of certbot's links points into.
fn linked_archive(file: &Path) -> Option<PathBuf> {
    if !file.is_symlink() {
        return None;
    }
    let whole = fs::canonicalize(file).ok()?;
    is_in(&whole, "archive").then(|| whole.parent().map(Path::to_owned))?
}

fn is_in(file: &Path, folder: &str) -> bool {
    // live/NAME/cert.pem, archive/NAME/cert1.pem.
    file.ancestors()
        .nth(2)
        .and_then(Path::file_name)
        .is_some_and(|name| name == folder)
}

impl Layout {
    fn of(file: &Path) -> Self {
        let folder = file
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        let stem = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let extension = file.extension().and_then(|extension| extension.to_str());
        let has_sibling = |extension: &str| file.with_extension(extension).exists();
        if is_live(file) {
            return Self::Certbot;
        }
        match (folder, extension) {
            (Some(folder), Some("cer"))
                if folder.strip_suffix("_ecc").unwrap_or(folder) == stem || stem == "fullchain" =>
            {
                Self::AcmeSh
            }
            (Some(folder), Some("crt")) if folder == stem && has_sibling("json") => Self::Caddy,
            (Some("certificates"), Some("crt")) if has_sibling("json") => Self::Lego,
            _ => Self::Plain,
        }
    }

    /// The client's name for the certificate.
    fn name(self, file: &Path) -> Option<String> {
        let folder = || file.parent()?.file_name()?.to_str();
        let stem = || file.file_stem()?.to_str();
        match self {
            Self::Certbot | Self::AcmeSh => folder(),
            Self::Caddy | Self::Lego => stem(),
            Self::Plain => None,
        }
        .map(str::to_owned)
    }
}
