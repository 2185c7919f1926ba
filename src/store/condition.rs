//! Whether the database accepts writes, as far as is known.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::StoreError;

/// The reason why the database does not accept writes, if one is known.
#[derive(Debug, Default)]
pub(super) struct Condition(Mutex<Option<&'static str>>);

impl Condition {
    /// Records an error if it means that nothing can be written. Later successful writes do not clear
    /// it, because small writes may succeed on an almost full disk; [`Condition::recovered`] does.
    pub(super) fn failed(&self, error: &StoreError) {
        if let Some(reason) = error.code().as_deref().and_then(reason) {
            *self.known() = Some(reason);
        }
    }

    /// Clears the error, after a test has shown that writes are accepted again.
    pub(super) fn recovered(&self) {
        *self.known() = None;
    }

    /// The recorded reason.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        *self.known()
    }

    fn known(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason why a database with this error code does not accept writes; `None` if the code means
/// something else.
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
    fn errors_of_all_writes_are_distinguished_from_those_of_one() {
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
