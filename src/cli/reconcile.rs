//! `offpeak reconcile PATH…`: compares the registered certificates with a list.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::exit::Exit;
use super::input::Inputs;
use super::output::{Output, printed};
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Submission, Successor};
use crate::domain::policy::ca::CaName;
use crate::engine::Engine;
use crate::engine::verdict::Rejection;
use crate::ingest::{CertificateFormat, Decode, Item, NamedFormat, pem_or_der};
use crate::store::{IdRange, Succession};

/// The most CertIDs: 750 MB in memory at about 150 octets each.
const MOST_LISTED: usize = 5_000_000;

/// Rows read at a time, as in listings.
const PAGE_ROWS: u32 = 500;

/// Octets read at once.
const READ_OCTETS: usize = 256 << 10;

/// The successor recorded for a dead certificate.
const DEAD: &str = "dead: named by no list that was reconciled";

/// Compares a list of certificates that are in use with those that are registered
///
/// Prints a line each: `missing` and a CertID for one that is listed and not registered, `extra` and
/// a CertID for one that is registered, not replaced, not expired, and not listed. Exit code 3: there
/// are such, or lines that name no certificate.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "What is read: certificates in PEM or DER, or a text of CertIDs or serials, a line each,
as CSV (cert_id, or serial,issuer) or NDJSON ({\"certId\"} or {\"serial\",\"issuer\"}).

Examples:
  offpeak reconcile hosts.csv
  offpeak reconcile /etc/letsencrypt/live --ca letsencrypt --json
  offpeak certid /srv/certs/*.pem | cut -f1 | offpeak reconcile - --mark-dead"
)]
pub(super) struct ReconcileArgs {
    /// Files and directories of what is in use; `-` is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only certificates of this CA's issuers
    #[arg(long, value_name = "NAME")]
    ca: Option<CaName>,
    /// The issuer of serials without one: a key identifier as in a CertID
    #[arg(long, value_name = "KEY_IDENTIFIER")]
    issuer: Option<KeyIdentifier>,
    /// Takes what is extra out of the forecast: nobody will renew it. Its window is still answered, and
    /// `DELETE /v1/certificates/{certid}/replaced` takes the mark back
    #[arg(long)]
    mark_dead: bool,
    /// Marks them dead even if they are more than half of the registered certificates
    #[arg(long, requires = "mark_dead")]
    even_most: bool,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// The differences.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Differences {
    /// CertIDs in the list, without duplicates.
    listed: usize,
    /// Certificates that are registered, live and not replaced.
    registered: u64,
    /// Listed but not registered.
    missing: Vec<CertId>,
    /// Registered but not listed.
    extra: Vec<CertId>,
    /// How many of these were marked dead.
    marked_dead: u64,
    /// Lines of the list that name no certificate.
    rejected: Vec<String>,
}

impl ReconcileArgs {
    /// Runs the command.
    ///
    /// # Errors
    /// A file cannot be read or is not a list, there is no CA with the name, or the database fails.
    pub(super) async fn run(self, engine: &Engine, output: &mut Output) -> anyhow::Result<Exit> {
        let issuers = self.issuers(engine)?;
        let mut differences = Differences::default();
        let listed = self.listed(&issuers, &mut differences)?;
        differences.listed = listed.len();
        compare(engine, &issuers, listed, &mut differences).await?;
        if self.mark_dead {
            differences.may_mark_dead(self.even_most)?;
            for id in &differences.extra {
                let dead = Successor::Order(DEAD.to_owned());
                let marked = engine.succeed(id, &dead).await?;
                differences.marked_dead += u64::from(marked == Succession::Set);
            }
        }
        if self.json {
            let json = serde_json::to_string_pretty(&differences)?;
            printed(writeln!(output, "{json}"))?;
        } else {
            printed(differences.write(output))?;
        }
        let matches = differences.missing.is_empty()
            && differences.extra.is_empty()
            && differences.rejected.is_empty();
        Ok(if matches {
            Exit::Done
        } else {
            Exit::DoneWithRejections
        })
    }

    /// The issuers to compare; all if it is empty.
    fn issuers(&self, engine: &Engine) -> anyhow::Result<Vec<KeyIdentifier>> {
        let Some(name) = &self.ca else {
            return Ok(Vec::new());
        };
        let config = engine.config();
        let Some(ca) = config.cas.iter().find(|ca| ca.name == *name) else {
            bail!("no CA is named {name}");
        };
        if ca.issuers.is_empty() {
            bail!("the CA {name} names no issuers: leave --ca away");
        }
        Ok(ca.issuers.clone())
    }

    fn listed(
        &self,
        issuers: &[KeyIdentifier],
        differences: &mut Differences,
    ) -> anyhow::Result<BTreeSet<CertId>> {
        let mut listed = BTreeSet::new();
        for input in Inputs::of(&self.paths)?.files() {
            let name = &input.name;
            let unread = || format!("cannot read {name}");
            let file = std::fs::File::open(&input.path).with_context(unread)?;
            let mut piece = read_piece(&file).with_context(unread)?;
            let mut reader = Reader::of(&piece, self.issuer.as_ref());
            while !piece.is_empty() {
                let found = reader.push(&piece);
                piece = read_piece(&file).with_context(unread)?;
                let rest = piece.is_empty().then(|| reader.finish());
                for (line, named) in found.into_iter().chain(rest.into_iter().flatten()) {
                    match named {
                        Ok(id) if is_of(&id, issuers) => drop(listed.insert(id)),
                        Ok(_) => {}
                        Err(Rejection { field, detail }) => {
                            differences.reject(format!("{name}:{line}: {field}: {detail}"));
                        }
                    }
                }
                if listed.len() > MOST_LISTED {
                    bail!(
                        "{name}: more than {MOST_LISTED} certificates are listed: reconcile the CAs one by one"
                    );
                }
            }
        }
        Ok(listed)
    }
}

/// The formats of a file.
enum Reader {
    Certificates(Box<dyn Decode<Submission>>),
    Names(Box<dyn Decode<CertId>>),
}

/// A line's number, and the certificate it names.
type Named = (u64, Result<CertId, Rejection>);

impl Reader {
    fn of(head: &[u8], issuer: Option<&KeyIdentifier>) -> Self {
        if pem_or_der(head) {
            // PEM or DER is detected by content.
            Self::Certificates(CertificateFormat::DerOrPem.decoder())
        } else {
            Self::Names(NamedFormat::of_text(head).decoder(issuer.cloned()))
        }
    }

    fn push(&mut self, piece: &[u8]) -> Vec<Named> {
        match self {
            Self::Certificates(decoder) => named(|out| decoder.push(piece, out), |one| one.id),
            Self::Names(decoder) => named(|out| decoder.push(piece, out), |id| id),
        }
    }

    fn finish(&mut self) -> Vec<Named> {
        match self {
            Self::Certificates(decoder) => named(
                |out| {
                    decoder.finish(out);
                },
                |one| one.id,
            ),
            Self::Names(decoder) => named(
                |out| {
                    decoder.finish(out);
                },
                |id| id,
            ),
        }
    }
}

fn named<T>(decode: impl FnOnce(&mut Vec<Item<T>>), id: impl Fn(T) -> CertId) -> Vec<Named> {
    let mut items = Vec::new();
    decode(&mut items);
    let items = items.into_iter();
    items
        .map(|item| (item.line, item.record.map(&id)))
        .collect()
}

fn read_piece(file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(READ_OCTETS);
    let most = u64::try_from(READ_OCTETS).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut piece)?;
    Ok(piece)
}

impl Differences {
    /// Whether the list is reliable enough to mark as dead what it does not name.
    fn may_mark_dead(&self, even_most: bool) -> anyhow::Result<()> {
        if self.listed == 0 {
            bail!("the list names no certificate: nothing is marked dead by an empty list");
        }
        // Any of them may be what a line was meant to name.
        if let Some(first) = self.rejected.first() {
            bail!(
                "nothing is marked dead by a list that cannot be read in full, such as {first}; \
                 without --mark-dead all such lines are told"
            );
        }
        let extra = u64::try_from(self.extra.len()).unwrap_or(u64::MAX);
        if !even_most && extra > self.registered / 2 {
            bail!(
                "{extra} of {} registered certificates are not in the list: is that all of it? then add \
                 --even-most",
                self.registered
            );
        }
        Ok(())
    }

    /// Records the first hundred rejections, as everywhere.
    fn reject(&mut self, why: String) {
        const MOST: usize = 100;
        if self.rejected.len() < MOST {
            self.rejected.push(why);
        }
    }

    fn write(&self, output: &mut Output) -> std::io::Result<()> {
        for id in &self.missing {
            writeln!(output, "missing\t{id}")?;
        }
        for id in &self.extra {
            writeln!(output, "extra\t{id}")?;
        }
        for why in &self.rejected {
            writeln!(output, "rejected\t{why}")?;
        }
        let dead = match self.marked_dead {
            0 => String::new(),
            count => format!(", {count} of them marked dead"),
        };
        writeln!(
            output,
            "{} listed, {} registered: {} missing, {} extra{dead}",
            self.listed,
            self.registered,
            self.missing.len(),
            self.extra.len()
        )
    }
}

async fn compare(
    engine: &Engine,
    issuers: &[KeyIdentifier],
    mut listed: BTreeSet<CertId>,
    differences: &mut Differences,
) -> anyhow::Result<()> {
    let now = engine.now();
    // In the registered spelling, if the list has that of clients that drop a sign octet.
    let restored: BTreeSet<CertId> = listed.iter().filter_map(CertId::with_sign_octet).collect();
    let mut range = IdRange::ALL;
    loop {
        let page = engine.store().certificates_in(&range, PAGE_ROWS).await?;
        let full = page.len() == PAGE_ROWS as usize;
        range.after = page.last().map(|last| last.id.clone());
        for certificate in page.into_iter().filter(|one| is_of(&one.id, issuers)) {
            let is_listed = listed.remove(&certificate.id) || restored.contains(&certificate.id);
            let is_in_use =
                |one: &Certificate| one.successor.is_none() && one.validity.not_after >= now;
            if is_in_use(&certificate) {
                differences.registered += 1;
                if !is_listed {
                    differences.extra.push(certificate.id);
                }
            }
        }
        if !full {
            break;
        }
    }
    for id in listed {
        // In either of its spellings, as everywhere.
        if engine.certificate(&id).await?.is_none() {
            differences.missing.push(id);
        }
    }
    Ok(())
}

fn is_of(id: &CertId, issuers: &[KeyIdentifier]) -> bool {
    issuers.is_empty() || issuers.contains(&id.key_identifier)
}
