//! `[tls]`: the certificate of the public listener.

use std::path::PathBuf;

use super::error::Problems;
use super::section::Section;
use super::value;

/// The files that TLS needs. Their content is checked when they are read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// The certificate chain in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// Both files; `None` if one is missing or wrong; the problem is then added.
pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<TlsFiles> {
    let certificate = section.require("certificate", problems, value::path);
    let key = section.require("key", problems, value::path);
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn faults(text: &str) -> Vec<String> {
        let found = Config::parse(text).unwrap_err();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_files_are_named() {
        let text = "[tls]\ncertificate = \"/a.pem\"\nkey = \"a.key\"\n";
        let tls = Config::parse(text).unwrap().tls.unwrap();
        assert_eq!(tls.certificate.to_str(), Some("/a.pem"));
        assert_eq!(tls.key.to_str(), Some("a.key"));
        assert_eq!(Config::parse("").unwrap().tls, None);
        assert_eq!(
            faults("[tls]\ncertificate = \"/a.pem\"\n"),
            ["1: tls.key: is missing"]
        );
        assert_eq!(
            faults("[tls]\ncertificate = \"\"\nkey = 1\n"),
            [
                "2: tls.certificate: names no file",
                "3: tls.key: takes a text, not a number"
            ]
        );
        assert_eq!(
            faults("[tls]\ncertificate = \"a\"\nkey = \"b\"\nkeys = 1\n"),
            ["4: tls.keys: there is no such key; did you mean \"key\"?"]
        );
    }
}
