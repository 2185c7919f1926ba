//! The position in each file of a log.

use serde::{Deserialize, Serialize};

use crate::domain::time::{MINUTE, Span, Timestamp};

/// The most files remembered: more than a year of daily rotation. The one read longest ago is
/// dropped first.
const MOST_FILES: usize = 1_000;

/// The positions in a source's files, and until when the log is known to have been alive.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Cursor {
    pub(super) files: Vec<Place>,
    /// The end of a minute.
    pub(super) alive: Option<Timestamp>,
    /// The time of the last line.
    #[serde(default)]
    pub(super) spoken: Option<Timestamp>,
    /// After that time there are lines that are not in this format, and none that is.
    #[serde(default)]
    pub(super) doubtful: Option<String>,
}

/// The position in a file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// The device and inode on which it was last seen.
    pub(super) device: u64,
    pub(super) inode: u64,
    /// This many octets of its beginning …
    pub(super) head_octets: usize,
    /// … have this SHA-256, in hexadecimal, which identifies it.
    pub(super) head: String,
    /// The decompressed octets read so far, up to the end of a line.
    pub(super) offset: u64,
    /// Whether a line about demand was in the format, so that another one that is not is just a bad
    /// line.
    #[serde(default)]
    pub(super) fits: bool,
    /// Whether it was the log's newest file when it was last read, so that later lines follow its
    /// end.
    #[serde(default)]
    pub(super) newest: bool,
}

impl Cursor {
    /// Replaces the position of the same file, or adds it.
    pub(super) fn set(&mut self, place: &Place) {
        self.files.retain(|known| known.head != place.head);
        self.files.push(place.clone());
        if self.files.len() > MOST_FILES {
            self.files.remove(0);
        }
    }

    /// Marks this file as the newest.
    pub(super) fn set_newest(&mut self, place: &Place) {
        for known in &mut self.files {
            known.newest = known.head == place.head;
        }
    }

    /// Completes a position stored by an earlier version, which recorded neither the newest file
    /// (it is the one read last) nor which files had readable lines.
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

    /// Lines between the known part and this one are lost, so that time is unknown and not quiet.
    pub(super) fn resume_at(&mut self, first: Timestamp) {
        let first = Timestamp::from_unix(first.slot(MINUTE) * MINUTE);
        self.alive = self.alive.map(|alive| alive.max(first));
    }

    /// Records that the log was alive until the end of the minute before `last` and, if nothing was
    /// known, from `first` on. Returns the newly covered span.
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
