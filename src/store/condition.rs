//! Whether the database takes what is written, as far as is known.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::StoreError;

/// What keeps the database from taking writes.
#[derive(Debug, Default)]
pub(super) struct Condition(Mutex<Option<&'static str>>);

impl Condition {
    /// Remembers an error that says that nothing can be written. A success does not reset it,
    /// because small writes may succeed on a disk that is almost full; [`Condition::recovered`]
    /// does.
    pub(super) fn failed(&self, error: &StoreError) {
        if let Some(reason) = error.code().as_deref().and_then(reason) {
            *self.known() = Some(reason);
        }
    }

    /// It was tried whether writes are taken again, and they are.
    pub(super) fn recovered(&self) {
        *self.known() = None;
    }

    /// In words.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        *self.known()
    }

    fn known(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the database with this code takes no writes; `None` where the code says something else.
fn reason(code: &str) -> Option<&'static str> {
    // A PostgreSQL SQLSTATE has five characters.
    if code.len() == 5 {
        return match code {
            "25006" => Some("it is read-only"),
            "53100" => Some("its disk is full"),
            "58030" => Some("its files cannot be read or written"),
            _ => None,
        };
    }
    // An SQLite code is a number whose low byte is the kind of the error.
    match code.parse::<i32>().ok()? & 0xff {
        8 => Some("it is read-only"),
        10 => Some("its files cannot be read or written"),
        13 => Some("its disk is full"),
        14 => Some("its files cannot be opened"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_keeps_writes_away_from_what_is_wrong_with_one() {
        for (code, want) in [
            ("13", Some("its disk is full")),
            ("53100", Some("its disk is full")),
            ("8", Some("it is read-only")),
            ("25006", Some("it is read-only")),
            // SQLITE_IOERR_WRITE.
            ("778", Some("its files cannot be read or written")),
            ("5", None),
            ("19", None),
            ("40001", None),
            ("23505", None),
        ] {
            assert_eq!(reason(code), want, "{code}");
        }
    }
}
