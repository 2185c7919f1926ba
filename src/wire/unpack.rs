//! Decompresses bulk bodies (RFC 9110 section 8.4) as they arrive, in bounded memory.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_compression::futures::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::io::{AsyncBufReadExt as _, AsyncReadExt as _};
use futures_util::stream::{self, BoxStream, IntoAsyncRead};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::pieces::pieces;
use super::problem::Problem;
use error::{ALWAYS_OCTETS, MOST_RATIO, UnpackError};

pub(crate) mod error;

/// The supported codings, as in `Accept-Encoding`.
pub(crate) const TAKEN: &str = "br, gzip, zstd";

/// Decompressed octets passed on at once, which is what ingest decodes at once.
const PIECE_OCTETS: usize = 64 << 10;

/// The logarithm of the largest window of zstd: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// A brotli stream with a window above the standard's 16 MiB begins with these seven bits, and any
/// upper bit (RFC 7932 section 9.1: invalid).
const BROTLI_LARGE_WINDOW: u8 = 0b001_0001;

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// The body without its content coding, piece by piece as it arrives.
///
/// # Errors
/// A problem with status 415 if the coding is not supported, or there are several.
pub(crate) fn unpacked(headers: &HeaderMap, body: Body) -> Result<Pieces, Problem> {
    let pieces = pieces(body).boxed();
    Ok(match coding(headers)? {
        None => pieces,
        Some(coding) => Unpacking::of(coding, pieces).pieces(),
    })
}

/// Rejects a content coding on a route whose bodies are short.
///
/// # Errors
/// A problem with status 415.
pub(crate) fn uncoded(headers: &HeaderMap) -> Result<(), Problem> {
    match named(headers).next() {
        None => Ok(()),
        Some(_) => Err(Problem::unknown_coding(
            "this body takes no Content-Encoding: send it as it is",
            "identity",
        )),
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Brotli,
    Gzip,
    Zstd,
}

impl Coding {
    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "brotli",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// The codings in the headers, outermost last, without `identity`.
fn named(headers: &HeaderMap) -> impl Iterator<Item = String> {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .flat_map(|value| {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            let names: Vec<String> = text
                .split(',')
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty() && name != "identity")
                .collect();
            names
        })
}

fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Problem> {
    let mut names = named(headers);
    let (first, second) = (names.next(), names.next());
    if second.is_some() {
        return Err(Problem::unknown_coding(
            "the body has several content codings: send it with one of br, gzip and zstd, or none",
            TAKEN,
        ));
    }
    match first.as_deref() {
        None => Ok(None),
        Some("br") => Ok(Some(Coding::Brotli)),
        // RFC 9110 section 8.4.1.3: both mean the same.
        Some("gzip" | "x-gzip") => Ok(Some(Coding::Gzip)),
        Some("zstd") => Ok(Some(Coding::Zstd)),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            Err(Problem::unknown_coding(
                format!("the content coding {shown:?} is not taken here; br, gzip and zstd are"),
                TAKEN,
            ))
        }
    }
}

/// What has arrived of a body so far.
#[derive(Debug, Default)]
struct Came {
    octets: AtomicU64,
    /// Whether reading the body itself failed, which is not the fault of the coding.
    failed: AtomicBool,
}

enum Decoder {
    Brotli(BrotliDecoder<IntoAsyncRead<Pieces>>),
    Gzip(GzipDecoder<IntoAsyncRead<Pieces>>),
    Zstd(ZstdDecoder<IntoAsyncRead<Pieces>>),
}

struct Unpacking {
    decoder: Pin<Box<Decoder>>,
    coding: Coding,
    came: Arc<Came>,
    unpacked_octets: u64,
}

impl Unpacking {
    fn of(coding: Coding, pieces: Pieces) -> Self {
        let came = Arc::<Came>::default();
        let read = counted(coding, pieces, Arc::clone(&came)).into_async_read();
        let decoder = match coding {
            Coding::Brotli => Decoder::Brotli(BrotliDecoder::new(read)),
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(read);
                decoder.multiple_members(true);
                Decoder::Gzip(decoder)
            }
            Coding::Zstd => {
                let window = [DParameter::window_log_max(ZSTD_WINDOW)];
                let mut decoder = ZstdDecoder::with_params(read, &window);
                decoder.multiple_members(true);
                Decoder::Zstd(decoder)
            }
        };
        Self {
            decoder: Box::pin(decoder),
            coding,
            came,
            unpacked_octets: 0,
        }
    }

    fn pieces(self) -> Pieces {
        stream::try_unfold(self, |mut unpacking| async move {
            let piece = unpacking.next().await?;
            // A little input may give much output, so let other tasks run in between.
            tokio::task::yield_now().await;
            Ok((!piece.is_empty()).then_some((piece, unpacking)))
        })
        .boxed()
    }

    /// The next piece; an empty one is the end.
    async fn next(&mut self) -> io::Result<Bytes> {
        let mut piece = vec![0; PIECE_OCTETS];
        let read = match &mut *self.decoder {
            Decoder::Brotli(decoder) => decoder.read(&mut piece).await,
            Decoder::Gzip(decoder) => decoder.read(&mut piece).await,
            Decoder::Zstd(decoder) => decoder.read(&mut piece).await,
        };
        let read = read.map_err(|error| self.broken(error))?;
        if read == 0 {
            self.nothing_follows().await?;
        }
        self.unpacked_octets += read as u64;
        let came = self.came.octets.load(Ordering::Relaxed);
        if self.unpacked_octets > ALWAYS_OCTETS.max(came.saturating_mul(MOST_RATIO)) {
            return Err(io::Error::other(UnpackError::TooLarge));
        }
        piece.truncate(read);
        Ok(piece.into())
    }

    /// After gzip and zstd, another member may follow and is read; brotli has only one.
    async fn nothing_follows(&mut self) -> io::Result<()> {
        let Decoder::Brotli(decoder) = &mut *self.decoder else {
            return Ok(());
        };
        let rest = decoder.get_mut().fill_buf().await;
        match rest.map(<[u8]>::is_empty) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.broken(io::Error::other("octets follow its end"))),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&self, error: io::Error) -> io::Error {
        if self.came.failed.load(Ordering::Relaxed) {
            return error;
        }
        io::Error::other(UnpackError::Broken {
            coding: self.coding.name(),
            reason: error.to_string(),
        })
    }
}

/// The pieces unchanged, counting their octets.
fn counted(coding: Coding, pieces: Pieces, came: Arc<Came>) -> Pieces {
    pieces
        .map(move |piece| {
            let piece = piece.and_then(|piece| {
                let before = came.octets.fetch_add(piece.len() as u64, Ordering::Relaxed);
                let is_large = |first: &u8| first & 0x7f == BROTLI_LARGE_WINDOW;
                if coding == Coding::Brotli && before == 0 && piece.first().is_some_and(is_large) {
                    let reason = "its window is over 16 MiB".to_owned();
                    let coding = coding.name();
                    return Err(io::Error::other(UnpackError::Broken { coding, reason }));
                }
                Ok(piece)
            });
            if piece.is_err() {
                came.failed.store(true, Ordering::Relaxed);
            }
            piece
        })
        .boxed()
}

#[cfg(test)]
mod tests;
