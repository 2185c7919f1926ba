//! A stream that ends in its length and a checksum, so that truncation and changes are detected.

use std::hash::Hasher as _;
use std::io::{self, Read, Write};

use siphasher::sip128::{Hasher128 as _, SipHasher13};

/// Octets hashed and written at a time.
const PIECE: usize = 1 << 16;
/// The length and the checksum.
pub(super) const SEAL_OCTETS: u64 = 8 + 16;

/// A writer that computes a checksum.
pub(super) struct ChecksumWriter<W> {
    inner: W,
    piece: Vec<u8>,
    hasher: SipHasher13,
    length: u64,
}

impl<W: Write> ChecksumWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        Self {
            inner,
            piece: Vec::with_capacity(PIECE),
            hasher: SipHasher13::new(),
            length: 0,
        }
    }

    pub(super) fn put(&mut self, octets: &[u8]) -> io::Result<()> {
        self.piece.extend_from_slice(octets);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    pub(super) fn number(&mut self, number: i64) -> io::Result<()> {
        self.put(&number.to_le_bytes())
    }

    /// Octets preceded by their number.
    pub(super) fn counted(&mut self, octets: &[u8]) -> io::Result<()> {
        self.put(&(octets.len() as u64).to_le_bytes())?;
        self.put(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.write(&self.piece);
        self.length += self.piece.len() as u64;
        self.inner.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    /// Writes the rest, and the seal.
    pub(super) fn seal(mut self) -> io::Result<W> {
        self.flush()?;
        self.inner.write_all(&self.length.to_le_bytes())?;
        let checksum = self.hasher.finish128().as_u128();
        self.inner.write_all(&checksum.to_le_bytes())?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

/// A reader that verifies a checksum. The content can be trusted only after the seal has been
/// checked at the end.
pub(super) struct ChecksumReader<R> {
    inner: R,
    piece: Vec<u8>,
    at: usize,
    hasher: SipHasher13,
    /// Octets before the seal that have not been read.
    left: u64,
    length: u64,
}

impl<R: Read> ChecksumReader<R> {
    /// For a stream of this length, including the seal.
    pub(super) fn new(inner: R, octets: u64) -> Self {
        let length = octets.saturating_sub(SEAL_OCTETS);
        Self {
            inner,
            piece: Vec::new(),
            at: 0,
            hasher: SipHasher13::new(),
            left: length,
            length,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut octets = [0; N];
        self.fill(&mut octets)?;
        Ok(octets)
    }

    pub(super) fn fill(&mut self, mut octets: &mut [u8]) -> io::Result<()> {
        while !octets.is_empty() {
            if self.at == self.piece.len() {
                self.next_piece()?;
            }
            let count = octets.len().min(self.piece.len() - self.at);
            let (now, later) = octets.split_at_mut(count);
            now.copy_from_slice(&self.piece[self.at..self.at + count]);
            self.at += count;
            octets = later;
        }
        Ok(())
    }

    pub(super) fn number(&mut self) -> io::Result<i64> {
        self.take().map(i64::from_le_bytes)
    }

    /// Reads what [`ChecksumWriter::counted`] wrote. Limited to what is left, because the number
    /// may be corrupt.
    pub(super) fn counted(&mut self) -> io::Result<Vec<u8>> {
        let count = u64::from_le_bytes(self.take()?);
        let there = self.left + (self.piece.len() - self.at) as u64;
        if count > there {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut octets = vec![0; usize::try_from(count).unwrap_or(0)];
        self.fill(&mut octets)?;
        Ok(octets)
    }

    fn next_piece(&mut self) -> io::Result<()> {
        let octets = self.left.min(PIECE as u64);
        if octets == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.piece.resize(usize::try_from(octets).unwrap_or(0), 0);
        self.inner.read_exact(&mut self.piece)?;
        self.hasher.write(&self.piece);
        self.left -= octets;
        self.at = 0;
        Ok(())
    }

    /// Ends reading; returns whether everything was read and matches the seal.
    pub(super) fn finish(mut self) -> io::Result<bool> {
        let mut length = [0; 8];
        let mut checksum = [0; 16];
        self.inner.read_exact(&mut length)?;
        self.inner.read_exact(&mut checksum)?;
        Ok(self.left == 0
            && self.at == self.piece.len()
            && u64::from_le_bytes(length) == self.length
            && u128::from_le_bytes(checksum) == self.hasher.finish128().as_u128())
    }
}
