//! Reading a file of a log on from where it was left, some lines at a time.

use std::fs;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::files::File;
use super::place::{Cursor, Place};
use crate::domain::accesslog::Format;
use crate::domain::accesslog::tally::Tally;
use crate::domain::time::Timestamp;

/// A file is known by so many octets of its beginning: some lines, with their times.
const HEAD_OCTETS: usize = 512;

/// As few make a file known wherever it is: a line with its time and address is longer.
const CERTAIN_OCTETS: usize = 32;

/// What is read at once: some ten thousand lines.
const CHUNK_OCTETS: usize = 4 << 20;

/// A file open to be read.
pub(super) struct Reader {
    from: Box<dyn Read + Send>,
    place: Place,
    /// What was read behind the last line's end.
    rest: Vec<u8>,
}

/// What was counted of some lines.
pub(super) struct Counted {
    pub(super) tally: Tally,
    /// When the first of them was written, and the last.
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Reader {
    /// Opens a file where it was left, under whatever name that was; at its beginning where it is not
    /// known, or is shorter than what was read of it.
    pub(super) fn open(file: &File, cursor: &mut Cursor) -> io::Result<Self> {
        let head = head(file)?;
        let of = |octets: usize| head.get(..octets).map(hash);
        let known = cursor.files.iter().rposition(|place| {
            // A very short beginning may be another file's as well.
            let certain = place.head_octets >= CERTAIN_OCTETS || place.inode == file.inode;
            place.head_octets > 0 && certain && of(place.head_octets).as_ref() == Some(&place.head)
        });
        // It comes back under the beginning that it has now.
        let known = known.map(|number| cursor.files.remove(number));
        let mut offset = known.map_or(0, |place| place.offset);
        if !file.packed && file.octets < offset {
            offset = 0;
        }
        let place = Place {
            device: file.device,
            inode: file.inode,
            head_octets: head.len(),
            head: hash(&head),
            offset,
        };
        if place.head_octets > 0 {
            cursor.set(&place);
        }
        let mut opened = fs::File::open(&file.path)?;
        let from: Box<dyn Read + Send> = if file.packed {
            let mut unpacked = MultiGzDecoder::new(BufReader::new(opened));
            io::copy(&mut (&mut unpacked).take(offset), &mut io::sink())?;
            Box::new(unpacked)
        } else {
            opened.seek(SeekFrom::Start(offset))?;
            Box::new(opened)
        };
        Ok(Self {
            from,
            place,
            rest: Vec::new(),
        })
    }

    /// Where it stands: at the end of the last line that was counted.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Counts the next lines that are whole; `None` where there are none.
    pub(super) fn next(&mut self, format: &Format) -> io::Result<Option<Counted>> {
        if self.place.head_octets == 0 {
            // It was empty when it was opened: nothing to know it by yet.
            return Ok(None);
        }
        let mut octets = std::mem::take(&mut self.rest);
        let wanted = (CHUNK_OCTETS + octets.len()) as u64;
        let before = octets.len();
        let from = (&mut self.from).take(wanted - before as u64);
        to_its_end(from, &mut octets)?;
        let Some(end) = memchr::memrchr(b'\n', &octets) else {
            // A line of more than that is none: it is passed over as if it ended here.
            if octets.len() >= CHUNK_OCTETS {
                self.place.offset += octets.len() as u64;
                return Ok(Some(Counted {
                    tally: Tally::default(),
                    first: None,
                    last: None,
                }));
            }
            return Ok(None);
        };
        self.rest = octets.split_off(end + 1);
        self.place.offset += octets.len() as u64;
        Ok(Some(count(&octets, format)))
    }
}

fn count(octets: &[u8], format: &Format) -> Counted {
    let mut tally = Tally::default();
    let (mut first, mut last) = (None, None);
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', octets) {
        let line = octets[start..end].trim_ascii_end();
        match format.read(line) {
            Ok(Some(request)) => tally.add(&request),
            Ok(None) => {}
            Err(_) => tally.unreadable += 1,
        }
        first = first.or(Some(line));
        last = Some(line);
        start = end + 1;
    }
    Counted {
        tally,
        first: first.and_then(|line| format.time(line)),
        last: last.and_then(|line| format.time(line)),
    }
}

/// The beginning of a file, unpacked.
fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let opened = fs::File::open(&file.path)?;
    let most = HEAD_OCTETS as u64;
    if file.packed {
        let unpacked = MultiGzDecoder::new(BufReader::new(opened));
        to_its_end(unpacked.take(most), &mut head)?;
    } else {
        opened.take(most).read_to_end(&mut head)?;
    }
    Ok(head)
}

/// Reads to the end. An archive that is still being written ends amid its contents: what is there is
/// read, and the rest when it has changed.
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
