//! Files identified by their content.

use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use sha2::{Digest, Sha256};
use std::pin::pin;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::format::{CertificateFormat, HEAD_OCTETS, contains};
use super::pem;

/// Bytes read at once: few system calls and little memory.
const READ_OCTETS: usize = 256 << 10;

/// A file with the SHA-256 of its content.
#[derive(Clone, Debug)]
pub struct KnownFile {
    /// Its path.
    pub path: PathBuf,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Its length in octets.
    pub octets: u64,
    /// Its beginning, at most 64 KiB.
    head: Vec<u8>,
    modified: Option<SystemTime>,
}

/// Whether a file with this beginning contains certificates in PEM or DER. Directories also contain
/// keys and other files, which are skipped.
#[must_use]
pub fn pem_or_der(head: &[u8]) -> bool {
    pem::is_der(head)
        || contains(head, b"-----BEGIN CERTIFICATE-----")
        || contains(head, b"-----BEGIN X509 CERTIFICATE-----")
}

impl KnownFile {
    /// Reads through the file once.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn open(path: &Path) -> io::Result<Self> {
        let metadata = tokio::fs::metadata(path).await?;
        let mut hash = Sha256::new();
        let mut head = Vec::new();
        let mut octets = 0;
        let mut chunks = pin!(chunks(path.to_owned(), 0));
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            hash.update(&chunk);
            octets += chunk.len() as u64;
            let room = HEAD_OCTETS - head.len();
            head.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(Self {
            path: path.to_owned(),
            sha256: hash.finalize().into(),
            octets,
            head,
            modified: metadata.modified().ok(),
        })
    }

    /// The format of its certificates.
    #[must_use]
    pub fn certificate_format(&self) -> Option<CertificateFormat> {
        CertificateFormat::of_file(&self.path, &self.head)
    }

    /// Its bytes from `offset` on.
    pub fn bytes_from(&self, offset: u64) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        chunks(self.path.clone(), offset)
    }

    /// Its beginning up to the end of the first non-blank line, where a header would be.
    pub(super) fn header(&self) -> &[u8] {
        let blank = self.head.len() - self.head.trim_ascii_start().len();
        match self.head[blank..].iter().position(|octet| *octet == b'\n') {
            Some(end) => &self.head[..=blank + end],
            None => &self.head,
        }
    }

    /// Whether its length and date are the same as when it was hashed.
    pub(super) async fn is_unchanged(&self) -> io::Result<bool> {
        let metadata = tokio::fs::metadata(&self.path).await?;
        Ok(metadata.len() == self.octets && metadata.modified().ok() == self.modified)
    }
}

fn chunks(path: PathBuf, offset: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(None, move |open: Option<tokio::fs::File>| {
        let path = path.clone();
        async move {
            let mut file = if let Some(file) = open {
                file
            } else {
                let mut file = tokio::fs::File::open(path).await?;
                file.seek(SeekFrom::Start(offset)).await?;
                file.set_max_buf_size(READ_OCTETS);
                file
            };
            let mut buffer = vec![0; READ_OCTETS];
            let read = file.read(&mut buffer).await?;
            buffer.truncate(read);
            Ok((read > 0).then(|| (Bytes::from(buffer), Some(file))))
        }
    })
}
