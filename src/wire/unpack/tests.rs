//! Bodies that compress well, badly, and extremely.

use std::io::Write as _;

use super::*;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    brotli::CompressorWriter::new(&mut packed, 4_096, 9, 22)
        .write_all(text)
        .unwrap();
    packed
}

fn zstd_of(text: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(text, 3).unwrap()
}

/// The result for a body that arrives in pieces of this many octets.
async fn unpack(coding: &str, packed: &[u8], octets: usize) -> Result<Vec<u8>, String> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
    let pieces: Vec<io::Result<Bytes>> = packed
        .chunks(octets)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    let body = Body::from_stream(stream::iter(pieces));
    let mut whole = Vec::new();
    let mut unpacked = unpacked(&headers, body).map_err(|problem| format!("{problem:?}"))?;
    while let Some(piece) = unpacked.next().await {
        let piece = piece.map_err(|error| error.to_string())?;
        assert!(coding == "identity" || piece.len() <= PIECE_OCTETS);
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// Two hundred thousand octets that compress only moderately.
fn text() -> Vec<u8> {
    (0..20_000u32)
        .flat_map(|n| format!("{:08x}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

#[tokio::test]
async fn a_body_is_unpacked_however_it_is_cut() {
    let text = text();
    for (name, packed) in [
        ("br", brotli(&text)),
        ("gzip", gzip(&text)),
        ("X-GZip", gzip(&text)),
        ("zstd", zstd_of(&text)),
        ("identity", text.clone()),
    ] {
        for octets in [1_000, 65_536, 10_000_000] {
            let got = unpack(name, &packed, octets).await.unwrap();
            assert!(got == text, "{name} in pieces of {octets}");
        }
    }
    // RFC 1952 section 2.2 and RFC 8878 section 3: several members may follow each other.
    for (name, packed) in [("gzip", gzip(&text)), ("zstd", zstd_of(&text))] {
        let twice = [packed.clone(), packed].concat();
        let got = unpack(name, &twice, 1_000).await.unwrap();
        assert!(got == [text.clone(), text.clone()].concat(), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_or_goes_on_is_broken() {
    let text = b"some text that is packed\n".repeat(20);
    for (name, packed) in [
        ("br", brotli(&text)),
        ("gzip", gzip(&text)),
        ("zstd", zstd_of(&text)),
    ] {
        for end in 1..packed.len() {
            let cut = unpack(name, &packed[..end], 16).await;
            let error = cut.expect_err(&format!("{name} cut at {end}"));
            assert!(error.contains("as its Content-Encoding says"), "{error}");
        }
        let longer = [packed, b"garbage".to_vec()].concat();
        for octets in [16, 10_000] {
            let error = unpack(name, &longer, octets).await.expect_err(name);
            assert!(error.contains("as its Content-Encoding says"), "{error}");
        }
    }
    let damaged = unpack("gzip", &text, 16).await.unwrap_err();
    assert!(damaged.contains("not whole gzip"), "{damaged}");
}

#[tokio::test]
async fn a_body_that_unpacks_beyond_all_measure_is_refused_on_the_way() {
    let blank = vec![b'\n'; usize::try_from(ALWAYS_OCTETS).unwrap()];
    for (name, pack) in [
        ("br", brotli as fn(&[u8]) -> Vec<u8>),
        ("gzip", gzip),
        ("zstd", zstd_of),
    ] {
        let mut unpacked = unpack(name, &pack(&blank), 1_000_000).await.unwrap();
        assert_eq!(unpacked.len(), blank.len(), "{name}");
        unpacked.push(b'\n');
        let error = unpack(name, &pack(&unpacked), 1_000_000).await.unwrap_err();
        assert!(error.contains("more than 100 times"), "{error}");
    }
}

#[tokio::test]
async fn windows_are_bounded() {
    let large = unpack("br", &[BROTLI_LARGE_WINDOW, 30, 0, 0], 4).await;
    assert!(large.unwrap_err().contains("over 16 MiB"));
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(ZSTD_WINDOW + 1).unwrap();
    encoder.write_all(&text()).unwrap();
    let packed = encoder.finish().unwrap();
    let error = unpack("zstd", &packed, 1_000).await.unwrap_err();
    assert!(error.contains("not whole zstd"), "{error}");
}

#[tokio::test]
async fn what_is_not_taken_is_named() {
    for coding in ["deflate", "gzip, br", "", "identity"] {
        let unpacked = unpack(coding, b"", 1).await;
        match coding {
            "" | "identity" => assert_eq!(unpacked.unwrap(), b""),
            _ => assert!(unpacked.unwrap_err().contains("gzip and zstd"), "{coding}"),
        }
    }
}
