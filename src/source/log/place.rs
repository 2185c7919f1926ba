//! How far each file of a log has been read.

use serde::{Deserialize, Serialize};

use crate::domain::time::{MINUTE, Span, Timestamp};

/// Files that are remembered: a year of daily rotation and more. The one that was read longest ago is
/// forgotten first.
const MOST_FILES: usize = 1_000;

/// The places of a source's files, and until when the log is known to have been alive.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Cursor {
    pub(super) files: Vec<Place>,
    /// The end of a minute.
    pub(super) alive: Option<Timestamp>,
    /// When the last line was written.
    #[serde(default)]
    pub(super) spoken: Option<Timestamp>,
    /// Behind that there are lines that are not of this format, and none since that is.
    #[serde(default)]
    pub(super) doubtful: Option<String>,
}

/// How far a file has been read.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// The device and inode that it was seen on last.
    pub(super) device: u64,
    pub(super) inode: u64,
    /// So many octets of its beginning …
    pub(super) head_octets: usize,
    /// … have this SHA-256, in hexadecimal: what it is known by.
    pub(super) head: String,
    /// So many octets, unpacked, were read: up to the end of a line.
    pub(super) offset: u64,
    /// Whether a line about demand was of the format, so that one that is not is the line's fault.
    #[serde(default)]
    pub(super) fits: bool,
    /// Whether it was the log's newest file when it was read last: what comes later follows its end.
    #[serde(default)]
    pub(super) newest: bool,
}

impl Cursor {
    /// Puts a place in that of the same file, or behind all others.
    pub(super) fn set(&mut self, place: &Place) {
        self.files.retain(|known| known.head != place.head);
        self.files.push(place.clone());
        if self.files.len() > MOST_FILES {
            self.files.remove(0);
        }
    }

    /// This file is the newest that the log has.
    pub(super) fn set_newest(&mut self, place: &Place) {
        for known in &mut self.files {
            known.newest = known.head == place.head;
        }
    }

    /// As an earlier version stored it: it did not note which file was the newest, which is the one that it
    /// read last, nor which ones fitted.
    pub(super) fn adopt(&mut self) {
        if self.files.iter().any(|known| known.newest) {
            return;
        }
        for known in &mut self.files {
            known.fits = known.offset > 0;
        }
        if let Some(last) = self.files.last_mut() {
            last.newest = true;
        }
    }

    /// What the log said between what is known of it and this line is lost: that is unknown, not nothing.
    pub(super) fn resume_at(&mut self, first: Timestamp) {
        let first = Timestamp::from_unix(first.slot(MINUTE) * MINUTE);
        self.alive = self.alive.map(|alive| alive.max(first));
    }

    /// Takes note that the log was alive until the end of the minute before `last`, and, where nothing
    /// was known of it, from `first` on; the span that is new with that.
    pub(super) fn alive_until(
        &mut self,
        first: Option<Timestamp>,
        last: Option<Timestamp>,
    ) -> Option<Span> {
        self.spoken = self.spoken.max(first.and(last));
        let minute = |at: Timestamp| Timestamp::from_unix(at.slot(MINUTE) * MINUTE);
        let to = minute(last?);
        let from = self.alive.or_else(|| first.map(minute)).unwrap_or(to);
        self.alive = Some(to.max(from));
        (from < to).then_some(Span { from, to })
    }
}
