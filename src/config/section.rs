//! One table of the file, read key by key. Keys that have not been read at the end are unknown.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problems;
use super::hint::did_you_mean;
use super::value::kind;

/// A table of the file, and which of its keys have been read.
#[derive(Debug)]
pub struct Section<'t> {
    table: &'t DeTable<'t>,
    /// Such as `ca[0].band[1]`.
    path: String,
    /// Such as `ca.band`, as in its heading.
    heading: String,
    at: Range<usize>,
    asked: Vec<&'static str>,
}

impl<'t> Section<'t> {
    /// A whole document, of which no key has been read yet.
    #[must_use]
    pub fn root(document: &'t Spanned<DeTable<'t>>) -> Self {
        Self {
            table: document.get_ref(),
            path: String::new(),
            heading: String::new(),
            at: 0..0,
            asked: Vec::new(),
        }
    }

    /// The path of a key of this table, such as `ca[0].name`; for `""`, that of the table.
    #[must_use]
    pub fn path_of(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// Whether the table has the key, which then counts as read.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// The value of a key, if there is one and `read` accepts it.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&'t DeValue<'t>) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.find(key)?;
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(reason) => {
                problems.add(&value.span(), self.path_of(key), reason);
                None
            }
        }
    }

    /// Like [`Section::read`], but a missing key is a problem.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        read: impl FnOnce(&'t DeValue<'t>) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            problems.add(&self.at, self.path_of(key), "is missing");
        }
        self.read(key, problems, read)
    }

    /// The items of an array of values that `read` accepts.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        mut read: impl FnMut(&'t DeValue<'t>, &str) -> Result<T, String>,
    ) -> Vec<T> {
        let mut taken = Vec::new();
        for (number, item) in self.items(key, problems, "[…]").enumerate() {
            let path = format!("{}[{number}]", self.path_of(key));
            match read(item.get_ref(), &path) {
                Ok(value) => taken.push(value),
                Err(reason) => problems.add(&item.span(), path, reason),
            }
        }
        taken
    }

    /// The tables of an array of tables, `[[key]]` in the file.
    pub fn sections(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Vec<Self> {
        let heading = self.heading_of(key);
        let written = format!("[[{heading}]]");
        let mut sections = Vec::new();
        for (number, item) in self.items(key, problems, &written).enumerate() {
            let path = format!("{}[{number}]", self.path_of(key));
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Self {
                    table,
                    path,
                    heading: heading.clone(),
                    at: item.span(),
                    asked: Vec::new(),
                }),
                other => {
                    let reason = format!("is {}: write {written}", kind(other));
                    problems.add(&item.span(), path, reason);
                }
            }
        }
        sections
    }

    /// A table of this table, `[key]` in the file.
    pub fn section(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<Self> {
        let heading = self.heading_of(key);
        let at = self.find(key)?.span();
        let table = self.read(key, problems, |value| match value {
            DeValue::Table(table) => Ok(table),
            other => Err(format!("is {}: write [{heading}]", kind(other))),
        })?;
        Some(Self {
            table,
            path: self.path_of(key),
            heading,
            at,
            asked: Vec::new(),
        })
    }

    /// Adds a problem of a key of this table; for `""`, of the table.
    pub fn fault(&self, key: &str, problems: &mut Problems<'_>, reason: impl Into<String>) {
        let at = self
            .table
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map_or_else(|| self.at.clone(), |(_, value)| value.span());
        problems.add(&at, self.path_of(key), reason);
    }

    /// Adds a problem for each key that has not been read.
    pub fn finish(self, problems: &mut Problems<'_>) {
        #[cfg(test)]
        known::note(&self);
        for (name, _) in self.table {
            if !self.asked.iter().any(|asked| name.get_ref() == asked) {
                let hint = did_you_mean(name.get_ref(), self.asked.iter().copied());
                problems.add(
                    &name.span(),
                    self.path_of(name.get_ref()),
                    format!("there is no such key{hint}"),
                );
            }
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| value)
    }

    fn heading_of(&self, key: &str) -> String {
        match self.heading.as_str() {
            "" => key.to_owned(),
            outer => format!("{outer}.{key}"),
        }
    }

    /// The items of an array; if the value is no array, that is a problem.
    fn items(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
        written: &str,
    ) -> impl Iterator<Item = &'t Spanned<DeValue<'t>>> + use<'t> {
        let array = self.read(key, problems, |value| match value {
            DeValue::Array(array) => Ok(array),
            other => Err(format!("is {}: write {written}", kind(other))),
        });
        array.into_iter().flat_map(|array| array.iter())
    }
}

/// The keys that this thread's sections have read, for the test that the manual has them.
#[cfg(test)]
pub(super) mod known {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::Section;

    thread_local! {
        static KEYS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Such as `ca.band.end`.
    pub(in super::super) fn keys() -> BTreeSet<String> {
        KEYS.with_borrow(BTreeSet::clone)
    }

    pub(in super::super) fn forget() {
        KEYS.with_borrow_mut(BTreeSet::clear);
    }

    pub(super) fn note(section: &Section<'_>) {
        let keys = section.asked.iter().map(|key| section.heading_of(key));
        KEYS.with_borrow_mut(|known| known.extend(keys));
    }
}
