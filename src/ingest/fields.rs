//! The named fields of a record, independent of the format.

use std::borrow::Cow;

use super::rejected::{beginning, quoted, rejection};
use crate::domain::time::{TimeError, Timestamp};
use crate::engine::verdict::Rejection;

/// The treatment of unknown columns or keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unknown {
    /// They are ignored.
    Ignored,
    /// They are rejected by name, so that a misspelt one is noticed.
    Refused,
}

/// A field's value in the format's representation. Errors are reasons that follow the field's name.
pub(super) trait FieldValue {
    /// Whether the value is missing.
    fn is_absent(&self) -> bool;
    fn text(&self) -> Result<&str, String>;
    /// The value as a non-negative integer.
    fn whole(&self) -> Result<u64, String>;
    fn number(&self) -> Result<f64, String>;
    fn time(&self) -> Result<Timestamp, String>;
}

/// The values of a record, in the order of the format's field names.
pub(super) struct Fields<V, const N: usize> {
    pub(super) names: &'static [&'static str; N],
    pub(super) values: [Option<V>; N],
}

impl<V: FieldValue, const N: usize> Fields<V, N> {
    /// # Errors
    /// The field is missing, or `read` rejects it.
    pub(super) fn required<T>(
        &self,
        index: usize,
        read: impl FnOnce(&V) -> Result<T, String>,
    ) -> Result<T, Rejection> {
        self.optional(index, read)?
            .ok_or_else(|| rejection(self.names[index], "it is missing"))
    }

    /// # Errors
    /// The field is present and `read` rejects it.
    pub(super) fn optional<T>(
        &self,
        index: usize,
        read: impl FnOnce(&V) -> Result<T, String>,
    ) -> Result<Option<T>, Rejection> {
        match self.value(index) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .map_err(|detail| rejection(self.names[index], detail)),
        }
    }

    /// Whether the field is present. Never true for a field that the format does not have.
    pub(super) fn has(&self, index: usize) -> bool {
        self.value(index).is_some()
    }

    fn value(&self, index: usize) -> Option<&V> {
        self.values
            .get(index)?
            .as_ref()
            .filter(|value| !value.is_absent())
    }
}

impl FieldValue for Cow<'_, str> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn text(&self) -> Result<&str, String> {
        Ok(self)
    }

    fn whole(&self) -> Result<u64, String> {
        self.parse()
            .map_err(|_| format!("{} is no whole number from 0 on", quoted(self)))
    }

    fn number(&self) -> Result<f64, String> {
        self.parse()
            .map_err(|_| format!("{} is no number", quoted(self)))
    }

    fn time(&self) -> Result<Timestamp, String> {
        parsed_time(self)
    }
}

pub(super) fn parsed_time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| TimeError(beginning(text).to_owned()).to_string())
}
