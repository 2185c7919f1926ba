//! A place for the static tree: a folder, or part of a bucket.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::apply::{Applied, ApplyError, apply, forget, remove};
use super::plan::{Cache, File, serving};
use super::remote::{Remote, RemoteError};
use super::sign::{KeyError, SIGNATURE, SUMS, Signer, with_sums};
use crate::domain::time::Timestamp;

/// A place for a tree.
#[derive(Clone, Debug)]
pub enum Place {
    /// A local folder.
    Folder(PathBuf),
    /// An object store.
    Remote(Remote),
}

/// Why the tree could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// A file cannot be written.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An object store failed to read or write an object.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl Place {
    /// A folder, `file:FOLDER`, or a URL such as `s3://bucket/prefix`. Environment variables
    /// configure access to a store, as for its own programs ([`Remote::open`]).
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn open(
        to: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, RemoteError> {
        if Remote::is_url(to) {
            return Remote::open(to, variables).map(Self::Remote);
        }
        if to.contains("://") && !to.starts_with("file:") {
            return Err(RemoteError::unknown(to));
        }
        // `file:///var/www` means `/var/www` too.
        let folder = to.strip_prefix("file:").unwrap_or(to);
        let folder = match folder.strip_prefix("//") {
            Some(absolute) if to.starts_with("file:") => absolute,
            _ => folder,
        };
        Ok(Self::Folder(folder.into()))
    }

    /// The same, with a store's objects compressed if `gzip` is set ([`Remote::in_gzip`]). Local
    /// files stay uncompressed, because their web server compresses them.
    #[must_use]
    pub fn in_gzip(self, gzip: bool) -> Self {
        match self {
            Self::Remote(remote) => Self::Remote(remote.in_gzip(gzip)),
            folder @ Self::Folder(_) => folder,
        }
    }

    /// Whether it is a local folder, so that each process has its own.
    #[must_use]
    pub const fn is_of_this_machine(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Writes the files and their checksums and, with a signer, a signature next to each, in order.
    /// Without a signer, existing signatures are removed, because they are for earlier contents.
    /// Other files stay.
    ///
    /// # Errors
    /// [`PlaceError`]; the previous publication is still visible.
    pub async fn bring(
        &self,
        files: Vec<File>,
        signer: Option<&Signer>,
        made_at: Timestamp,
    ) -> Result<Applied, PlaceError> {
        match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                let there = |path: &str| std::fs::read(folder.join(path)).ok();
                let files = with_sums(files, signer, made_at, &there)?;
                let mut applied = apply(&files, &folder)?;
                if signer.is_none() {
                    applied.unsigned = remove(&folder, &signatures_of(&files))?;
                }
                Ok(applied)
            }
            Self::Remote(remote) => {
                let signatures = match signer {
                    Some(_) => signatures(remote, &files).await?,
                    None => HashMap::new(),
                };
                let there = |path: &str| signatures.get(path).cloned();
                let files = with_sums(files, signer, made_at, &there)?;
                let mut applied = remote.apply(&files).await?;
                // The signature of the checksums is removed last: if it is missing, all are, and
                // one request shows it.
                let of_sums = format!("{SUMS}{SIGNATURE}");
                if signer.is_none() && remote.read(&of_sums).await?.is_some() {
                    applied.unsigned = remote.remove(&signatures_of(&files)).await?;
                }
                Ok(applied)
            }
        }
    }

    /// Removes immutable copies and their signatures that were written before `before` and are not
    /// in `files`; returns the number of files. Nothing else is removed.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub async fn forget(&self, files: &[File], before: Timestamp) -> Result<usize, PlaceError> {
        let is_old_copy =
            |path: &str| is_copy(path) && !files.iter().any(|file| belongs(path, file));
        match self {
            Self::Folder(folder) => Ok(forget(folder, Path::new(COPIES), before, &is_old_copy)?),
            Self::Remote(remote) => Ok(remote.forget(COPIES, before, &is_old_copy).await?),
        }
    }
}

/// The folder of immutable copies.
const COPIES: &str = "r";

/// Whether this is the path of an immutable copy, or of its signature.
fn is_copy(path: &str) -> bool {
    let document = path.strip_suffix(SIGNATURE).unwrap_or(path);
    serving(document).is_some_and(|serving| serving.cache == Cache::Immutable)
}

/// Whether the path is the file's, or its signature's.
fn belongs(path: &str, file: &File) -> bool {
    path.strip_suffix(SIGNATURE).unwrap_or(path) == file.path
}

/// The paths of these files' signatures, that of the checksums last.
fn signatures_of(files: &[File]) -> Vec<String> {
    let mut paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    paths.sort_by_key(|path| *path == SUMS);
    let signature = |path: &&str| format!("{path}{SIGNATURE}");
    paths.iter().map(signature).collect()
}

/// The existing signatures, because signing the same bytes again gives a different one.
async fn signatures(
    remote: &Remote,
    files: &[File],
) -> Result<HashMap<String, Vec<u8>>, RemoteError> {
    let mut found = HashMap::new();
    for path in files.iter().map(|file| file.path.as_str()).chain([SUMS]) {
        let path = format!("{path}{SIGNATURE}");
        if let Some(bytes) = remote.read(&path).await? {
            found.insert(path, bytes);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_have_several_spellings() {
        let folder = |to: &str| match Place::open(to, []).unwrap() {
            Place::Folder(folder) => folder,
            Place::Remote(_) => panic!("{to}"),
        };
        for to in ["/var/www", "file:/var/www", "file:///var/www"] {
            assert_eq!(folder(to), PathBuf::from("/var/www"), "{to}");
        }
        assert_eq!(folder("file:www"), PathBuf::from("www"));
        assert_eq!(folder("//server/share"), PathBuf::from("//server/share"));
    }

    #[test]
    fn urls_of_something_else_are_no_folders() {
        for to in ["ftp://host/ari", "gcs://bucket", "https://ari.example.com"] {
            let error = Place::open(to, []).unwrap_err();
            assert!(
                error.to_string().contains("none of az://, gs://, s3://"),
                "{error}"
            );
        }
    }

    #[test]
    fn only_copies_are_ever_removed() {
        let copy = format!("r/{}/ranking.json", "0".repeat(64));
        assert!(is_copy(&copy) && is_copy(&format!("{copy}{SIGNATURE}")));
        for path in [
            "ranking.json",
            "ranking.json.minisig",
            "r/x/ranking.json",
            "r/notes.txt",
            SUMS,
        ] {
            assert!(!is_copy(path), "{path}");
        }
    }
}
