//! The readers of what sources give, on messages that were mutated.
//!
//! `OFFPEAK_FUZZ_SECONDS=600` mutates for ten minutes; what it prints then is a new case for the corpus.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use offpeak::domain::accesslog::{Format, Pattern};
use offpeak::domain::publication::prior::Prior;
use offpeak::domain::time::Timestamp;
use offpeak::domain::transparency::checkpoint::SignedTree;
use offpeak::domain::transparency::leaf::Leaf;
use offpeak::domain::transparency::list::logs;
use offpeak::engine::ExportCursor;
use offpeak::ingest::{ObservationFormat, Unknown};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Mutations in an ordinary run: some seconds.
const USUAL: u64 = 10_000;

/// A message does not grow beyond this many octets: lines and bodies are bounded where they are read.
const LONGEST: usize = 16 * 1024;

/// What mutations put into messages: what the formats mean something by.
const TOKENS: [&[u8]; 22] = [
    b"\"",
    b"\\",
    b"\\u0000",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\n",
    b"\n\n",
    b" ",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"9999-12-31T23:59:60Z",
    b"0000-00-00T00:00:00+99:99",
    b"/acme/new-order",
    b"finalize",
    b"JSON={",
    b"\0",
    b"\xff\xff\xff",
];

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/sources/corpus");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let named = files.into_iter().map(|file| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(&file).unwrap())
    });
    named.collect()
}

fn formats() -> Vec<Format> {
    let pattern = "[{time}] {method} {path} -> {status} in {latency_ms}ms {error} {*}";
    vec![
        Format::BoulderRa,
        Format::BoulderWfe,
        Format::Caddy,
        Format::Combined,
        Format::NginxJson,
        Format::OpenBao,
        Format::Pattern(Pattern::parse(pattern).unwrap()),
        Format::StepCa,
    ]
}

/// Reads a message by every reader, as if it were meant for it; how many of them took it.
fn judge(message: &[u8], formats: &[Format]) -> usize {
    let mut taken = 0;
    for line in message.split(|octet| *octet == b'\n') {
        for format in formats {
            let read = format.read(line);
            taken += usize::from(matches!(read, Ok(Some(_))));
            let _ = format.time(line);
        }
    }
    if let Ok(text) = std::str::from_utf8(message) {
        let _ = Pattern::parse(text);
        let tree = SignedTree::of_checkpoint(text, "example.com/log", &[0; 32]);
        taken += usize::from(tree.is_ok_and(|tree| tree.signed().len() == 50));
        if let Ok(cursor) = text.parse::<ExportCursor>() {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
            taken += 1;
        }
    }
    if let Ok(leaves) = Leaf::of_tile(message) {
        taken += usize::from(!leaves.is_empty());
        for leaf in &leaves {
            let _ = leaf.hash();
        }
    }
    let _ = Leaf::of_leaf_input(message);
    let now = Timestamp::from_unix(1_795_867_200);
    taken += usize::from(logs(message, &[], now).is_ok());
    taken += usize::from(Prior::parse(message).is_ok());
    for format in [ObservationFormat::Csv, ObservationFormat::Ndjson] {
        let mut decoder = format.decoder_with(Unknown::Ignored);
        let mut items = Vec::new();
        decoder.push(message, &mut items);
        decoder.finish(&mut items);
        taken += items.iter().filter(|item| item.record.is_ok()).count();
    }
    taken
}

/// One to eight changes to a message: an octet, a cut, a piece twice or from another message, a token.
fn mutated(random: &mut StdRng, corpus: &[(String, Vec<u8>)]) -> Vec<u8> {
    let one_of = |random: &mut StdRng| corpus[random.random_range(0..corpus.len())].1.clone();
    let mut message = one_of(random);
    for _ in 0..random.random_range(1..=8) {
        if message.is_empty() || message.len() > LONGEST {
            message = one_of(random);
        }
        let from = random.random_range(0..message.len());
        let to = random.random_range(from..=message.len());
        match random.random_range(0..5) {
            0 => message[from] ^= 1 << random.random_range(0..8),
            1 => drop(message.drain(from..to)),
            2 => {
                let piece = message[from..to].to_vec();
                message.splice(from..from, piece);
            }
            3 => {
                let other = one_of(random);
                let cut = random.random_range(0..=other.len());
                message.splice(from..to, other[cut..].iter().copied());
            }
            _ => {
                let token = TOKENS[random.random_range(0..TOKENS.len())];
                message.splice(from..from, token.iter().copied());
            }
        }
    }
    message
}

#[test]
fn each_message_of_the_corpus_is_taken_by_its_reader() {
    let (corpus, formats) = (corpus(), formats());
    assert!(corpus.len() >= 14, "{}", corpus.len());
    for (name, message) in &corpus {
        let found = Path::new(name).extension() == Some("found".as_ref());
        assert!(found || judge(message, &formats) > 0, "{name}");
    }
}

#[test]
fn readers_of_sources_stand_messages_that_were_mutated() {
    let seconds = std::env::var("OFFPEAK_FUZZ_SECONDS");
    let seconds: Option<u64> = seconds.ok().and_then(|seconds| seconds.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // The same each time, or another each time where it is to find something.
    let mut random = StdRng::seed_from_u64(if until.is_some() { rand::random() } else { 7 });
    let (corpus, formats) = (corpus(), formats());
    let mut tried: u64 = 0;
    while until.map_or(tried < USUAL, |until| Instant::now() < until) {
        let message = mutated(&mut random, &corpus);
        tried += 1;
        let stands = catch_unwind(|| judge(&message, &formats)).is_ok();
        assert!(stands, "{:?}", String::from_utf8_lossy(&message));
    }
    println!("{tried} messages");
}
