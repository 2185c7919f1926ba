//! The input of commands: files, directories of certificates, and standard input as `-`.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::paths::files_of;
use super::usage::UsageError;

/// Means standard input where a path is expected.
pub(super) const STANDARD_INPUT: &str = "-";

/// The files that a command reads, in order. Files are read twice, so standard input is stored in a
/// temporary file, which only its owner can read and which is removed afterwards.
#[derive(Debug)]
pub(super) struct Inputs {
    files: Vec<Input>,
    _standard_input: Option<NamedTempFile>,
}

/// One input file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Input {
    /// Its name in messages.
    pub(super) name: String,
    /// Its path.
    pub(super) path: PathBuf,
}

impl Inputs {
    /// The files for these paths; a directory means the PEM and DER files in and below it.
    ///
    /// # Errors
    /// A path does not exist, a directory or standard input cannot be read, or standard input is
    /// named twice.
    pub(super) fn of(paths: &[PathBuf]) -> anyhow::Result<Self> {
        Self::with(paths, io::stdin())
    }

    /// The files, in order.
    pub(super) fn files(&self) -> &[Input] {
        &self.files
    }

    fn with(paths: &[PathBuf], mut stdin: impl io::Read) -> anyhow::Result<Self> {
        if paths.iter().filter(|path| is_standard_input(path)).count() > 1 {
            let twice = "\"-\" stands for standard input, which can be read only once".to_owned();
            return Err(UsageError(twice).into());
        }
        let mut files = Vec::new();
        let mut standard_input = None;
        for path in paths {
            if is_standard_input(path) {
                let mut kept = NamedTempFile::new().context("cannot make a temporary file")?;
                io::copy(&mut stdin, &mut kept).context("cannot read standard input")?;
                files.push(Input {
                    name: STANDARD_INPUT.to_owned(),
                    path: kept.path().to_owned(),
                });
                standard_input = Some(kept);
            } else {
                files.extend(files_of(std::slice::from_ref(path))?.into_iter().map(named));
            }
        }
        Ok(Self {
            files,
            _standard_input: standard_input,
        })
    }
}

/// Whether a path means standard input; a file of that name is `./-`.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

fn named(path: PathBuf) -> Input {
    let name = path.display().to_string();
    Input { name, path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_stands_among_files_and_only_once() {
        let other = NamedTempFile::new().unwrap();
        let paths = [other.path().to_owned(), PathBuf::from("-")];
        let inputs = Inputs::with(&paths, &b"piped"[..]).unwrap();
        let [file, piped] = inputs.files() else {
            panic!("{inputs:?}");
        };
        assert_eq!(file.path, other.path());
        assert_eq!(piped.name, "-");
        assert_eq!(std::fs::read(&piped.path).unwrap(), b"piped");
        let kept = piped.path.clone();
        drop(inputs);
        assert!(!kept.exists());
        let twice = Inputs::with(&[PathBuf::from("-"), PathBuf::from("-")], &b""[..]);
        assert!(twice.unwrap_err().is::<UsageError>());
    }
}
