//! The problems of a configuration file, and their places.

use std::fmt;
use std::ops::Range;

/// One problem of a configuration file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The key with its path, such as `ca[0].slot_minutes`, with arrays counted from 0. Empty if the
    /// text is not TOML and the line has no key.
    pub key: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    /// `LINE: KEY: REASON`, to be written after the file's name and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigError {}

/// The problems found in one text.
#[derive(Debug)]
pub struct Problems<'t> {
    text: &'t str,
    found: Vec<ConfigError>,
}

impl<'t> Problems<'t> {
    /// No problems yet. Their lines are computed from this text.
    #[must_use]
    pub const fn of(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Adds a problem at these bytes of the text.
    pub fn add(&mut self, at: &Range<usize>, key: String, reason: impl Into<String>) {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.found.push(ConfigError {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
            key,
            reason: reason.into(),
        });
    }

    /// Adds a syntax error of TOML, with the key that its line seems to set.
    pub fn add_syntax(&mut self, error: &toml::de::Error) {
        let at = error.span().unwrap_or(0..0);
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let key = self.text[line_start..]
            .lines()
            .next()
            .and_then(|line| line.split_once('='))
            .map(|(key, _)| key.trim())
            .filter(|key| key.bytes().all(is_key_byte));
        let key = key.unwrap_or_default().to_owned();
        self.add(&at, key, format!("this is no TOML: {}", error.message()));
    }

    /// All problems in the order of the text.
    #[must_use]
    pub fn into_found(self) -> Vec<ConfigError> {
        let mut found = self.found;
        found.sort_by_key(|error| (error.line, error.column));
        found
    }
}

/// Whether a bare or dotted key may contain this byte.
const fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}
