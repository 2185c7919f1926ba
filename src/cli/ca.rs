//! `offpeak ca CERT.pem…`: the configuration for the CAs with these certificates.

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::certid::decode;
use super::exit::Exit;
use super::output::Output;
use crate::domain::policy::ca::CaName;
use crate::engine::verdict::Rejection;
use crate::ingest::authorities;
use crate::ingest::x509::Authority;

/// Prints a ready [[ca]] block for each CA whose certificate is given
///
/// The key identifier in `issuers` is the certificate's subjectKeyIdentifier: what the certificates
/// that the CA issues name as their issuer's. The name is made of the subject's. Certificates of one
/// subject with several keys make one block. Give the certificate that signs, an intermediate
/// mostly, and not the root above it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  offpeak ca intermediate.pem >>offpeak.toml && offpeak check-config offpeak.toml
  curl -s https://ca.internal/roots.pem | offpeak ca -")]
pub(super) struct CaArgs {
    /// Certificates of CAs in PEM or DER; `-` is standard input
    #[arg(required = true, value_name = "CERT")]
    files: Vec<PathBuf>,
    /// Prints a JSON array instead: name, subject, issuers and path of each
    #[arg(long)]
    json: bool,
}

/// Runs the command. Done with rejections: at least one certificate or file does not belong to a
/// CA; standard error has the details.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(args: &CaArgs, output: &mut Output) -> anyhow::Result<Exit> {
    let mut blocks = Blocks::default();
    let mut exit = Exit::Done;
    for file in &args.files {
        let path = file.display().to_string();
        let mut found = Vec::new();
        let read = decode(file, authorities(), &mut found);
        let failed = read.err().map(|error| error.to_string());
        let mut reasons = Vec::new();
        for item in found {
            match item.record {
                Ok(authority) => blocks.add(&authority, &path),
                Err(Rejection { field, detail }) => {
                    reasons.push(format!("line {}, {field}: {detail}", item.line));
                }
            }
        }
        for reason in reasons.into_iter().chain(failed) {
            exit = Exit::DoneWithRejections;
            // If standard error is closed too, the exit code shows it.
            let _ = writeln!(std::io::stderr(), "offpeak: {path}: {reason}");
        }
    }
    if args.json {
        serde_json::to_writer_pretty(&mut *output, &blocks.0)?;
        writeln!(output)?;
    } else {
        write!(output, "{blocks}")?;
    }
    Ok(exit)
}

/// One CA of the configuration.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct Block {
    name: String,
    /// The subject's name.
    subject: String,
    issuers: Vec<String>,
    path: String,
    #[serde(skip)]
    encoded_subject: Vec<u8>,
}

#[derive(Debug, Default)]
struct Blocks(Vec<Block>);

impl Blocks {
    fn add(&mut self, authority: &Authority, path: &str) {
        let issuer = authority.key_identifier.to_string();
        // An issuer belongs to one CA, and this key was already certified under another name.
        if self.0.iter().any(|block| block.issuers.contains(&issuer)) {
            return;
        }
        let same = |block: &&mut Block| block.encoded_subject == authority.subject;
        if let Some(block) = self.0.iter_mut().find(same) {
            block.issuers.push(issuer);
            return;
        }
        let subject = authority
            .name
            .as_deref()
            .map_or_else(String::new, on_one_line);
        self.0.push(Block {
            name: self.free_name(&name_of(&subject)),
            subject,
            issuers: vec![issuer],
            path: on_one_line(path),
            encoded_subject: authority.subject.clone(),
        });
    }

    /// The name or, if it is taken, the first free one with a number appended.
    fn free_name(&self, name: &str) -> String {
        let is_free = |name: &String| self.0.iter().all(|block| block.name != *name);
        // 57 characters, `-`, and a number of at most five digits, which no command line exceeds.
        let numbered = (2..).map(|number| format!("{name:.57}-{number}"));
        std::iter::once(name.to_owned())
            .chain(numbered)
            .find(is_free)
            .unwrap_or_default()
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for block in &self.0 {
            let Block {
                name,
                subject,
                issuers,
                path,
                ..
            } = block;
            let issuers: Vec<String> = issuers.iter().map(|id| format!("{id:?}")).collect();
            writeln!(f, "# {subject} ({path})\n[[ca]]\nname = {name:?}")?;
            writeln!(f, "issuers = [{}]\n", issuers.join(", "))?;
        }
        Ok(())
    }
}

/// A subject's name in the form of a CA name: `[a-z0-9-]`, at most 63 characters.
fn name_of(subject: &str) -> String {
    let mut name = String::new();
    for character in subject.chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(63);
    let name = name.trim_end_matches('-');
    match name {
        "" => "ca".to_owned(),
        // This is the name of the CA for everything that no other claims.
        CaName::DEFAULT => "default-ca".to_owned(),
        name => name.to_owned(),
    }
}

/// Removes characters that would end a comment or disturb a terminal.
fn on_one_line(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::domain::certificate::certid::KeyIdentifier;

    fn authority(name: &str, key: u8) -> Authority {
        Authority {
            key_identifier: KeyIdentifier::new(&[key; 20]).unwrap(),
            subject: name.as_bytes().to_vec(),
            name: Some(name.to_owned()),
        }
    }

    #[test]
    fn a_name_fits_whatever_the_subject_is() {
        for (subject, want) in [
            ("ISRG Root X1", "isrg-root-x1"),
            ("R10", "r10"),
            ("  Příklad, a.s. ", "p-klad-a-s"),
            ("认证", "ca"),
            ("", "ca"),
            ("Default", "default-ca"),
            (&"a".repeat(80), &"a".repeat(63)),
            (&"ab ".repeat(40), &"ab-".repeat(21)[..62]),
        ] {
            assert_eq!(name_of(subject), want, "{subject}");
            want.parse::<CaName>().unwrap();
        }
    }

    #[test]
    fn blocks_make_a_configuration_whatever_the_names_are() {
        let mut blocks = Blocks::default();
        for (name, key) in [
            ("Example CA", 1),
            // A new key of the same CA; the same key again; the same key under another name.
            ("Example CA", 2),
            ("Example CA", 1),
            ("Old Example", 2),
            // Another subject that gives the same name.
            ("example-ca", 3),
            ("evil\n[[ca]]\nname = \"x\"\n", 4),
        ] {
            blocks.add(&authority(name, key), "a\nb.pem");
        }
        let config = Config::parse(&blocks.to_string()).unwrap();
        let cas: Vec<(&str, usize)> = config
            .cas
            .iter()
            .map(|ca| (ca.name.as_str(), ca.issuers.len()))
            .collect();
        let want = [
            ("example-ca", 2),
            ("example-ca-2", 1),
            ("evil-ca-name-x", 1),
            ("default", 0),
        ];
        assert_eq!(cas, want, "{blocks}");
    }
}
