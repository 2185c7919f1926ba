//! `kind = "folder"`: a folder into which another program puts certificates.

use std::path::PathBuf;

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value;

/// A folder of certificates.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderConfig {
    /// The folder; its subfolders are read, too.
    pub path: PathBuf,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<FolderConfig> {
    let path = section.require("path", problems, value::path);
    Some(FolderConfig { path: path? })
}
