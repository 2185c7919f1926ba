//! The files for a command's paths.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::ingest::pem_or_der;

/// A file is used as given; a directory means the PEM and DER files in and below it, sorted. Links
/// to files are followed and links to directories are not, so that `/etc/letsencrypt/live` works
/// without loops.
///
/// # Errors
/// A path does not exist or a directory cannot be read; nothing has been done then.
pub(super) fn files_of(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        let metadata =
            std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            walk(path, &mut files)
                .with_context(|| format!("cannot read the directory {}", path.display()))?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = std::fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, files)?;
        } else if path.is_file() && holds_certificates(&path)? {
            files.push(path);
        }
    }
    Ok(())
}

fn holds_certificates(path: &Path) -> io::Result<bool> {
    // Some files have a private key before the certificate, and text before either.
    let mut head = Vec::new();
    File::open(path)?.take(64 << 10).read_to_end(&mut head)?;
    Ok(pem_or_der(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n";

    #[test]
    fn a_directory_stands_for_its_certificates_in_order_and_a_file_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, content).unwrap();
            path
        };
        let second = write("tree/b/cert.pem", CERTIFICATE.as_bytes());
        let first = write("tree/a.der", &[0x30, 0x82, 1, 0]);
        let third = write("tree/c.crt", format!("KEY\n{CERTIFICATE}").as_bytes());
        write("tree/privkey.pem", b"-----BEGIN PRIVATE KEY-----\n");
        write("tree/README", b"hello");
        let named = write("list.csv", b"cert_id");
        let linked = folder.path().join("tree/z-link.pem");
        std::os::unix::fs::symlink(&second, &linked).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("tree/loop")).unwrap();
        let tree = folder.path().join("tree");
        assert_eq!(
            files_of(&[named.clone(), tree.clone()]).unwrap(),
            [named, first, second, third, linked]
        );
        let missing = folder.path().join("missing");
        let error = files_of(&[tree, missing.clone()]).unwrap_err().to_string();
        assert!(error.contains(missing.to_str().unwrap()), "{error}");
    }
}
