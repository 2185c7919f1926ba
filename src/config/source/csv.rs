//! `kind = "csv"`: a CSV file of exported load.

use std::path::PathBuf;

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value;
use super::columns::{self, ColumnsConfig};

/// A CSV file with a header, and its columns.
#[derive(Clone, Debug, PartialEq)]
pub struct CsvConfig {
    /// The file.
    pub path: PathBuf,
    /// Its columns.
    pub columns: ColumnsConfig,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<CsvConfig> {
    let path = section.require("path", problems, value::path);
    let columns = columns::read(section, problems);
    Some(CsvConfig {
        path: path?,
        columns: columns?,
    })
}
