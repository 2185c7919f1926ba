//! Reads a log file from the stored position on, some lines at a time.

use std::fs;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use zstd::stream::read::Decoder;

use super::files::{File, Packing};
use super::place::{Cursor, Place};
use crate::domain::accesslog::tally::Tally;
use crate::domain::accesslog::{Format, Shown};
use crate::domain::time::Timestamp;

/// A file is identified by this many octets of its beginning: some lines with their times.
const HEAD_OCTETS: usize = 512;

/// At least this many octets identify a file wherever it is; a line with time and address is
/// longer.
const CERTAIN_OCTETS: usize = 32;

/// The most consecutive lines without a readable time before giving up on finding one, because a
/// program's own messages may be between those of requests.
const MOST_TIMELESS: usize = 1_000;

/// The logarithm of the largest Zstandard window: 128 MiB, the default limit of the zstd program.
const MOST_WINDOW_LOG: u32 = 27;

/// The size of a read: some ten thousand lines.
const CHUNK_OCTETS: usize = 4 << 20;

/// An open file.
pub(super) struct Reader {
    from: Box<dyn Read + Send>,
    place: Place,
    /// What was read after the end of the last line.
    rest: Vec<u8>,
    /// Whether the file was read before and is continued.
    known: bool,
}

/// How lines are parsed and counted.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) format: Format,
    /// Whether client families are counted separately.
    pub(super) by_client: bool,
}

/// The counts of some lines.
pub(super) struct Counted {
    pub(super) tally: Tally,
    /// Certificates in them.
    pub(super) shown: Vec<Shown>,
    /// The times of the first and last line whose time is readable.
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Counted {
    /// Whether a line about demand is in the configured format.
    pub(super) const fn fits(&self) -> bool {
        self.tally.requests > 0
    }
}

impl Reader {
    /// Opens a file at its stored position, whatever its name was then. If it is unknown or was
    /// truncated, it is read from the beginning. `None` for an incomplete copy of a known file,
    /// which may be complete the next time and contains nothing new.
    pub(super) fn open(file: &File, cursor: &mut Cursor) -> io::Result<Option<Self>> {
        // The path may refer to another file than when the folder was listed. Everything recorded
        // here comes from the opened file.
        let mut opened = fs::File::open(&file.path)?;
        let metadata = opened.metadata()?;
        let (device, inode, octets) = (metadata.dev(), metadata.ino(), metadata.len());
        let head = head(&opened, file.packed)?;
        opened.rewind()?;
        let of = |octets: usize| head.get(..octets).map(hash);
        let known = cursor.files.iter().rposition(|place| {
            // Another file may have the same very short beginning.
            let certain = place.head_octets >= CERTAIN_OCTETS || place.inode == inode;
            place.head_octets > 0 && certain && of(place.head_octets).as_ref() == Some(&place.head)
        });
        let is_copy = known.is_some_and(|number| {
            let place = &cursor.files[number];
            let same = (place.device, place.inode) == (device, inode);
            file.packed.is_none() && !same && octets < place.offset
        });
        if is_copy {
            return Ok(None);
        }
        // It is stored again with its present beginning.
        let known = known.map(|number| cursor.files.remove(number));
        let (mut offset, fits, newest) = known.map_or((0, false, false), |place| {
            (place.offset, place.fits, place.newest)
        });
        let mut known = offset > 0;
        if file.packed.is_none() && octets < offset {
            (offset, known) = (0, false);
        }
        let place = Place {
            device,
            inode,
            head_octets: head.len(),
            head: hash(&head),
            offset,
            fits,
            newest,
        };
        if place.head_octets > 0 {
            cursor.set(&place);
        }
        let from: Box<dyn Read + Send> = if let Some(packing) = file.packed {
            let mut unpacked = unpacked(opened, packing)?;
            io::copy(&mut (&mut unpacked).take(offset), &mut io::sink())?;
            unpacked
        } else {
            opened.seek(SeekFrom::Start(offset))?;
            Box::new(opened)
        };
        Ok(Some(Self {
            from,
            place,
            rest: Vec::new(),
            known,
        }))
    }

    /// Whether this file follows what was read of the log before, because it was its newest file
    /// then.
    pub(super) const fn continues(&self) -> bool {
        self.known && self.place.newest
    }

    /// Whether the file was read before.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// Records that a line about demand is in the format.
    pub(super) const fn note_that_it_fits(&mut self) {
        self.place.fits = true;
    }

    /// The position: the end of the last counted line.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Counts the next complete lines; `None` if there are none.
    pub(super) fn next(&mut self, reading: &Reading) -> io::Result<Option<Counted>> {
        if self.place.head_octets == 0 {
            // It was empty when it was opened, so nothing identifies it yet.
            return Ok(None);
        }
        let mut octets = std::mem::take(&mut self.rest);
        let wanted = (CHUNK_OCTETS + octets.len()) as u64;
        let before = octets.len();
        let from = (&mut self.from).take(wanted - before as u64);
        to_its_end(from, &mut octets)?;
        let Some(end) = memchr::memrchr(b'\n', &octets) else {
            // A longer line is not valid; it is skipped as if it ended here.
            if octets.len() >= CHUNK_OCTETS {
                self.place.offset += octets.len() as u64;
                return Ok(Some(Counted {
                    tally: Tally::default(),
                    shown: Vec::new(),
                    first: None,
                    last: None,
                }));
            }
            return Ok(None);
        };
        self.rest = octets.split_off(end + 1);
        self.place.offset += octets.len() as u64;
        Ok(Some(count(&octets, reading)))
    }
}

fn count(octets: &[u8], reading: &Reading) -> Counted {
    let format = &reading.format;
    let mut tally = if reading.by_client {
        Tally::by_client()
    } else {
        Tally::default()
    };
    let mut shown = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', octets) {
        let line = octets[start..end].trim_ascii_end();
        match format.read(line) {
            Ok(Some(request)) => tally.add(&request),
            Ok(None) => {}
            Err(_) => tally.unreadable += 1,
        }
        shown.extend(format.certificate(line));
        start = end + 1;
    }
    let whole = &octets[..start];
    let time = |line: &[u8]| format.time(line.trim_ascii_end());
    Counted {
        tally,
        shown,
        first: lines(whole).take(MOST_TIMELESS).find_map(time),
        last: lines_from_behind(whole).take(MOST_TIMELESS).find_map(time),
    }
}

fn lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    octets.split(|octet| *octet == b'\n')
}

fn lines_from_behind(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    octets.rsplit(|octet| *octet == b'\n')
}

/// The decompressed beginning of a file.
fn head(file: &fs::File, packed: Option<Packing>) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let most = HEAD_OCTETS as u64;
    if let Some(packing) = packed {
        to_its_end(unpacked(file.try_clone()?, packing)?.take(most), &mut head)?;
    } else {
        file.take(most).read_to_end(&mut head)?;
    }
    Ok(head)
}

/// The content of a compressed file, of all its members or frames.
fn unpacked(file: fs::File, packing: Packing) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        Packing::Zstd => {
            let mut unpacked = Decoder::new(file)?;
            unpacked.window_log_max(MOST_WINDOW_LOG)?;
            Box::new(unpacked)
        }
    })
}

/// Reads to the end. An archive still being written ends in the middle: what is there is read now,
/// and the rest when it has changed.
fn to_its_end(mut from: impl Read, octets: &mut Vec<u8>) -> io::Result<()> {
    match from.read_to_end(octets) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        read => read.map(drop),
    }
}

fn hash(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(octets)
        .iter()
        .fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::super::files::found;
    use super::*;

    /// Rotated after the folder was listed, and before the file is read.
    #[test]
    fn a_file_that_replaced_another_is_distinguished_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.log");
        let line = |text: &str| format!("{}\n", text.repeat(100));
        fs::write(&path, line("one")).unwrap();
        let mut cursor = Cursor::default();
        let before = found(&path).unwrap().remove(0);
        fs::rename(&path, folder.path().join("acme.log.1")).unwrap();
        fs::write(&path, line("another")).unwrap();
        let reader = Reader::open(&before, &mut cursor).unwrap().unwrap();
        let now = fs::metadata(&path).unwrap();
        assert_eq!(
            (reader.place().inode, reader.place().offset),
            (now.ino(), 0)
        );
        assert_ne!(now.ino(), before.inode);
    }
}
