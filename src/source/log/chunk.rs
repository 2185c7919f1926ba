//! Reading a file of a log on from where it was left, some lines at a time.

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

/// A file is known by so many octets of its beginning: some lines, with their times.
const HEAD_OCTETS: usize = 512;

/// As few make a file known wherever it is: a line with its time and address is longer.
const CERTAIN_OCTETS: usize = 32;

/// Lines without a time that can be read, one after the other, among which one with a time is looked for: a
/// program's own lines stand between those of requests.
const MOST_TIMELESS: usize = 1_000;

/// The logarithm of the most that Zstandard may have us remember: 128 MiB, what its own program takes without being
/// asked.
const MOST_WINDOW_LOG: u32 = 27;

/// What is read at once: some ten thousand lines.
const CHUNK_OCTETS: usize = 4 << 20;

/// A file open to be read.
pub(super) struct Reader {
    from: Box<dyn Read + Send>,
    place: Place,
    /// What was read behind the last line's end.
    rest: Vec<u8>,
    /// Whether the file was read before, and goes on where it was left.
    known: bool,
}

/// How lines are read and counted.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) format: Format,
    /// Whether clients are told apart.
    pub(super) by_client: bool,
}

/// What was counted of some lines.
pub(super) struct Counted {
    pub(super) tally: Tally,
    /// Certificates that they show.
    pub(super) shown: Vec<Shown>,
    /// When the first of them was written, and the last, of those whose time can be read.
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

impl Counted {
    /// Whether a line about demand is of the format.
    pub(super) const fn fits(&self) -> bool {
        self.tally.requests > 0
    }
}

impl Reader {
    /// Opens a file where it was left, under whatever name that was; at its beginning where it is not
    /// known, or was truncated. `None`: a copy of one that is known, of which so much was not read yet: it may be
    /// whole the next time, and holds nothing that is new before.
    pub(super) fn open(file: &File, cursor: &mut Cursor) -> io::Result<Option<Self>> {
        // The path may name another file than when the folder was looked through: what is told of it here, its
        // beginning and what is read are of one.
        let mut opened = fs::File::open(&file.path)?;
        let metadata = opened.metadata()?;
        let (device, inode, octets) = (metadata.dev(), metadata.ino(), metadata.len());
        let head = head(&opened, file.packed)?;
        opened.rewind()?;
        let of = |octets: usize| head.get(..octets).map(hash);
        let known = cursor.files.iter().rposition(|place| {
            // A very short beginning may be another file's as well.
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
        // It comes back under the beginning that it has now.
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

    /// Whether what is read now follows what was read of the log before: it was its newest file then.
    pub(super) const fn continues(&self) -> bool {
        self.known && self.place.newest
    }

    /// Whether the file was read before.
    pub(super) const fn is_known(&self) -> bool {
        self.known
    }

    /// A line about demand is of the format.
    pub(super) const fn note_that_it_fits(&mut self) {
        self.place.fits = true;
    }

    /// Where it stands: at the end of the last line that was counted.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Counts the next lines that are whole; `None` where there are none.
    pub(super) fn next(&mut self, reading: &Reading) -> io::Result<Option<Counted>> {
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

/// The beginning of a file, unpacked.
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

/// What a packed file holds, all of its members or frames.
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

#[cfg(test)]
mod tests {
    use super::super::files::found;
    use super::*;

    /// Rotated after the folder was looked through, and before it is read.
    #[test]
    fn a_file_that_took_another_s_place_is_told_from_it() {
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
