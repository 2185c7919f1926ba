//! `[[crl]]`: revocation lists of a CA.

use std::fmt;
use std::path::PathBuf;

use super::error::Problems;
use super::named::{self, web_url};
use super::section::Section;
use super::value;
use crate::domain::policy::ca::{CaName, CaPolicy};

/// A certificate revocation list.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CrlConfig {
    /// The CA.
    pub ca: CaName,
    /// The location of the list.
    pub at: CrlPlace,
    /// The certificate of its signer, in DER or PEM; `None`: the signature is not checked.
    pub issuer: Option<PathBuf>,
    /// A page for subscribers.
    pub explanation_url: Option<String>,
}

/// The location of a list.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum CrlPlace {
    /// A file, DER or PEM.
    File(PathBuf),
    /// A URL.
    Url(String),
}

/// All revocation lists.
pub(super) fn all(
    root: &mut Section<'_>,
    cas: &[CaPolicy],
    problems: &mut Problems<'_>,
) -> Vec<CrlConfig> {
    let mut found: Vec<CrlConfig> = Vec::new();
    for mut section in root.sections("crl", problems) {
        let ca = section.require("ca", problems, |v| named::ca(v, cas));
        let file = section.read("file", problems, value::path);
        let url = section.read("url", problems, web_url);
        let issuer = section.read("issuer", problems, value::path);
        let explanation_url = section.read("explanation_url", problems, web_url);
        let both_or_none = section.has("file") == section.has("url");
        let at = match (file, url) {
            _ if both_or_none => {
                section.fault("", problems, "names one of file and url");
                None
            }
            (Some(file), _) => Some(CrlPlace::File(file)),
            (None, url) => url.map(CrlPlace::Url),
        };
        section.finish(problems);
        found.extend(ca.zip(at).map(|(ca, at)| CrlConfig {
            ca,
            at,
            issuer,
            explanation_url,
        }));
    }
    found
}

impl fmt::Display for CrlPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Url(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn a_list_is_a_file_or_a_url() {
        let text = concat!(
            "[[crl]]\nca = \"default\"\nurl = \"http://ca.internal/crl.der\"\n",
            "explanation_url = \"https://ca.example/incident/\"\n",
            "[[crl]]\nca = \"default\"\nfile = \"/var/lib/ca/crl.pem\"\n",
            "issuer = \"/etc/offpeak/ca.pem\"\n"
        );
        let read = Config::parse(text).unwrap().crls;
        assert_eq!(
            read[0].at,
            CrlPlace::Url("http://ca.internal/crl.der".to_owned())
        );
        assert_eq!(read[1].at, CrlPlace::File("/var/lib/ca/crl.pem".into()));
        let issuers = read.iter().map(|list| list.issuer.clone());
        assert_eq!(
            issuers.collect::<Vec<_>>(),
            [None, Some("/etc/offpeak/ca.pem".into())]
        );
        assert_eq!(
            read[0].explanation_url.as_deref(),
            Some("https://ca.example/incident/")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = concat!(
            "[[crl]]\nca = \"other\"\nurl = \"ftp://x\"\n[[crl]]\nca = \"default\"\n",
            "[[crl]]\nca = \"default\"\nurl = \"http://x/y\"\nfile = \"z\"\n"
        );
        let found = Config::parse(text).unwrap_err();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        for (line, want) in [
            (0, "2: crl[0].ca: no [[ca]] has the name \"other\""),
            (1, "3: crl[0].url: \"ftp://x\" is no absolute"),
            (2, "crl[1]: names one of file and url"),
            (3, "crl[2]: names one of file and url"),
        ] {
            assert!(found[line].contains(want), "{want}: {found:#?}");
        }
    }
}
