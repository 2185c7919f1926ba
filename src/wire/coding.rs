//! Content codings (RFC 9110 sections 8.4 and 12.5.3): precompressed representations, and which
//! form of one a request gets.

use std::io::{self, Write as _};

use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;

use super::conditional::strong_etag;

/// brotli's quality. The maximum, 11, takes thirty times as long and saves about 3 % more.
const BROTLI_QUALITY: u32 = 9;
/// The logarithm of brotli's window: 4 MiB, more than any document here.
const BROTLI_WINDOW: u32 = 22;
/// zstd's level: the highest without long windows.
const ZSTD_LEVEL: i32 = 19;

/// A content coding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Brotli,
    Gzip,
    Zstd,
}

/// A representation in one coding, with its entity tag.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    coding: Option<Coding>,
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
}

/// All forms of a representation.
#[derive(Debug)]
pub(crate) struct Forms {
    plain: Form,
    /// The forms that are shorter than the plain one, shortest first.
    compressed: Vec<Form>,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Zstd];

    /// The name used in `Content-Encoding`.
    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli => {
                let mut compressed = Vec::new();
                // The first number is the buffer size.
                brotli::CompressorWriter::new(
                    &mut compressed,
                    4_096,
                    BROTLI_QUALITY,
                    BROTLI_WINDOW,
                )
                .write_all(bytes)?;
                Ok(compressed)
            }
            Self::Gzip => {
                // Without name and time, so that the same input gives the same bytes.
                let level = flate2::Compression::best();
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
                gzip.write_all(bytes)?;
                gzip.finish()
            }
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
        }
    }
}

impl Form {
    fn new(coding: Option<Coding>, bytes: Bytes) -> Self {
        Self {
            coding,
            etag: strong_etag(&bytes),
            bytes,
        }
    }

    /// The value of `Content-Encoding`; `None` for the plain form.
    pub(crate) fn content_encoding(&self) -> Option<HeaderValue> {
        self.coding
            .map(|coding| HeaderValue::from_static(coding.name()))
    }
}

impl Forms {
    /// Only the plain form.
    pub(crate) fn plain(bytes: Bytes) -> Self {
        Self {
            plain: Form::new(None, bytes),
            compressed: Vec::new(),
        }
    }

    /// All forms that are shorter than the plain one. Takes about ten milliseconds for 100 KB.
    pub(crate) fn compressed(bytes: Bytes) -> Self {
        let mut compressed: Vec<Form> = Coding::ALL
            .into_iter()
            .filter_map(|coding| {
                // What cannot be compressed is sent plain.
                let shorter = coding.compress(&bytes).ok()?;
                (shorter.len() < bytes.len()).then(|| Form::new(Some(coding), shorter.into()))
            })
            .collect();
        compressed.sort_by_key(|form| form.bytes.len());
        Self {
            compressed,
            ..Self::plain(bytes)
        }
    }

    /// The form that a request prefers; of several the shortest. The plain form if the request
    /// names none that is available, or has no preference.
    pub(crate) fn wanted(&self, request: &HeaderMap) -> &Form {
        if self.compressed.is_empty() || !request.contains_key(header::ACCEPT_ENCODING) {
            return &self.plain;
        }
        let wishes = Wishes::read(request);
        let plain = (&self.plain, wishes.plain());
        self.compressed
            .iter()
            .filter_map(|form| Some((form, wishes.of(form.coding?.name()))))
            // A compressed form is preferred to the plain one at the same weight, because it is
            // shorter.
            .chain([plain])
            .filter(|(_, weight)| *weight > 0)
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map_or(&self.plain, |(form, _)| form)
    }
}

/// The content of `Accept-Encoding`: weights in thousandths, by name.
struct Wishes<'r>(Vec<(&'r str, u16)>);

impl<'r> Wishes<'r> {
    fn read(request: &'r HeaderMap) -> Self {
        let wishes = request
            .get_all(header::ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .filter_map(|wish| {
                let mut parts = wish.split(';').map(str::trim_ascii);
                let name = parts.next().filter(|name| !name.is_empty())?;
                let weight = parts.find_map(|parameter| {
                    let (name, value) = parameter.split_once('=')?;
                    name.eq_ignore_ascii_case("q").then_some(value)
                });
                Some((name, weight.map_or(Some(1_000), thousandths)?))
            });
        Self(wishes.collect())
    }

    fn named(&self, name: &str) -> Option<u16> {
        let wish = self.0.iter().find(|(known, _)| {
            // RFC 9110 section 8.4.1.3.
            let known = known
                .strip_prefix("x-")
                .filter(|_| name == "gzip")
                .unwrap_or(known);
            known.eq_ignore_ascii_case(name)
        });
        wish.map(|(_, weight)| *weight)
    }

    fn of(&self, name: &str) -> u16 {
        self.named(name)
            .or_else(|| self.named("*"))
            .unwrap_or_default()
    }

    /// The weight of the plain form. It is acceptable unless excluded, with the lowest weight if it
    /// is not named.
    fn plain(&self) -> u16 {
        self.named("identity")
            .or_else(|| self.named("*").filter(|weight| *weight == 0))
            .unwrap_or(1)
    }
}

/// Parses a weight of RFC 9110 section 12.4.2, `0` to `1` with up to three decimals, into
/// thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let fits = decimals.len() <= 3 && decimals.bytes().all(|digit| digit.is_ascii_digit());
    let whole = match whole {
        "0" => 0,
        "1" => 1_000,
        _ => return None,
    };
    let decimals: u16 = format!("{decimals:0<3}").parse().ok().filter(|_| fits)?;
    (whole + decimals <= 1_000).then_some(whole + decimals)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn wanted<'f>(forms: &'f Forms, lines: &[&'static str]) -> &'f Form {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(header::ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        forms.wanted(&request)
    }

    fn text() -> Bytes {
        let lines = (0..200).map(|n| format!("{{\"slot\":{n},\"coefficient\":1.{n}}}\n"));
        lines.collect::<String>().into()
    }

    #[test]
    fn each_form_holds_the_same() {
        let forms = Forms::compressed(text());
        assert_eq!(forms.compressed.len(), 3);
        for form in &forms.compressed {
            assert!(form.bytes.len() * 2 < forms.plain.bytes.len());
            let mut read = Vec::new();
            match form.coding.unwrap() {
                Coding::Brotli => brotli::Decompressor::new(&form.bytes[..], 4_096)
                    .read_to_end(&mut read)
                    .unwrap(),
                Coding::Gzip => flate2::read::GzDecoder::new(&form.bytes[..])
                    .read_to_end(&mut read)
                    .unwrap(),
                Coding::Zstd => zstd::stream::read::Decoder::new(&form.bytes[..])
                    .unwrap()
                    .read_to_end(&mut read)
                    .unwrap(),
            };
            assert_eq!(read, text(), "{form:?}");
            assert_ne!(form.etag, forms.plain.etag);
        }
    }

    #[test]
    fn what_does_not_shrink_is_sent_plain() {
        let forms = Forms::compressed(Bytes::from_static(b"{}"));
        assert!(wanted(&forms, &["br, gzip, zstd"]).coding.is_none());
    }

    #[test]
    fn a_request_gets_what_it_wants() {
        let forms = Forms::compressed(text());
        let shortest = forms.compressed[0].coding.unwrap().name();
        for (lines, want) in [
            (&[][..], ""),
            (&[""], ""),
            (&["gzip"], "gzip"),
            (&["GZIP"], "gzip"),
            (&["x-gzip"], "gzip"),
            (&["x-br"], ""),
            (&["br"], "br"),
            (&["zstd"], "zstd"),
            (&["deflate"], ""),
            (&["gzip, deflate, br, zstd"], shortest),
            (&["*"], shortest),
            (&["gzip;q=0.5, zstd;q=0.9"], "zstd"),
            (&["gzip;q=0.5", "zstd;q=0.9"], "zstd"),
            (&["gzip ; Q=1.000 ,br;q=0.999,zstd;q=0"], "gzip"),
            (&["gzip;q=0"], ""),
            (&["gzip;q=0.000, *;q=0.1, br;q=0"], "zstd"),
            (&["*;q=0, gzip"], "gzip"),
            // The plain form if it is preferred, or if nothing else is left.
            (&["identity, gzip;q=0.5"], ""),
            (&["identity;q=0.5, gzip;q=0.5"], "gzip"),
            (&["identity;q=0"], ""),
            (&["*;q=0"], ""),
            // Invalid weights are ignored.
            (&["gzip;q=2"], ""),
            (&["gzip;q=0.1234"], ""),
            (&["gzip;q=-1"], ""),
            (&["gzip;q=0.+1"], ""),
            (&["gzip;level=9"], "gzip"),
        ] {
            let got = wanted(&forms, lines).coding.map_or("", Coding::name);
            assert_eq!(got, want, "{lines:?}");
        }
    }
}
