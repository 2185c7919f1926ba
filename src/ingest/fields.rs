//! The named fields of one record, whatever the format writes them in.

use std::borrow::Cow;

use super::rejected::{beginning, quoted, rejection};
use crate::domain::time::{TimeError, Timestamp};
use crate::engine::verdict::Rejection;

/// What is done about a column or key that no field has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unknown {
    /// It is passed over.
    Ignored,
    /// It is refused by name: a misspelt one would be missed without a word.
    Refused,
}

/// A field's value as the format holds it. Errors are reasons, to be put behind the field's name.
pub(super) trait FieldValue {
    /// Whether it stands for nothing.
    fn is_absent(&self) -> bool;
    fn text(&self) -> Result<&str, String>;
    /// A whole number that is not negative.
    fn whole(&self) -> Result<u64, String>;
    fn number(&self) -> Result<f64, String>;
    fn time(&self) -> Result<Timestamp, String>;
}

/// The values of one record, in the order of the format's field names.
pub(super) struct Fields<V, const N: usize> {
    pub(super) names: &'static [&'static str; N],
    pub(super) values: [Option<V>; N],
}

impl<V: FieldValue, const N: usize> Fields<V, N> {
    /// # Errors
    /// A rejection of the field where it is missing or `read` refuses it.
    pub(super) fn required<T>(
        &self,
        index: usize,
        read: impl FnOnce(&V) -> Result<T, String>,
    ) -> Result<T, Rejection> {
        self.optional(index, read)?
            .ok_or_else(|| rejection(self.names[index], "it is missing"))
    }

    /// # Errors
    /// A rejection of the field where it is there and `read` refuses it.
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

    /// Whether the field is there. Formats that have no field of this number never have it.
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
