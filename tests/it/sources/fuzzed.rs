//! The readers of what sources give, on messages that were mutated.
//!
//! `OFFPEAK_FUZZ_SECONDS=600` mutates for ten minutes for each reader, one after the other, or for those alone whose names
//! `OFFPEAK_FUZZ_READER` has; where it fails, the message that it prints is a new case for the corpus.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use offpeak::engine::ExportCursor;
use offpeak::ingest::{ObservationFormat, Unknown};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use readers::Read;

mod readers;

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

/// All readers, by name.
fn readers() -> Vec<(&'static str, Read)> {
    let mut readers = readers::readers();
    readers.push((
        "cursor of an export",
        Box::new(|message| readers::text(message, cursor)),
    ));
    for (name, format) in [
        ("csv", ObservationFormat::Csv),
        ("ndjson", ObservationFormat::Ndjson),
    ] {
        readers.push((name, Box::new(move |message| observations(message, format))));
    }
    readers
}

fn cursor(text: &str) -> usize {
    text.parse::<ExportCursor>().map_or(0, |cursor| {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        1
    })
}

fn observations(message: &[u8], format: ObservationFormat) -> usize {
    let mut decoder = format.decoder_with(Unknown::Ignored);
    let mut items = Vec::new();
    decoder.push(message, &mut items);
    decoder.finish(&mut items);
    items.iter().filter(|item| item.record.is_ok()).count()
}

/// Reads a message by every reader, as if it were meant for it; how many records they took.
fn judge(message: &[u8], readers: &[(&'static str, Read)]) -> usize {
    readers.iter().map(|(_, read)| read(message)).sum()
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
    let (corpus, readers) = (corpus(), readers());
    assert!(corpus.len() >= 14, "{}", corpus.len());
    for (name, message) in &corpus {
        let found = Path::new(name).extension() == Some("found".as_ref());
        assert!(found || judge(message, &readers) > 0, "{name}");
    }
}

#[test]
fn readers_of_sources_stand_messages_that_were_mutated() {
    let seconds = std::env::var("OFFPEAK_FUZZ_SECONDS");
    let seconds: Option<u64> = seconds.ok().and_then(|seconds| seconds.parse().ok());
    let (corpus, readers) = (corpus(), readers());
    // The same each time, or another each time where it is to find something.
    let mut random = StdRng::seed_from_u64(if seconds.is_some() { rand::random() } else { 7 });
    let stands = |name: &str, message: &[u8], read: &dyn Fn(&[u8]) -> usize| {
        let taken = catch_unwind(AssertUnwindSafe(|| read(message)));
        taken.unwrap_or_else(|_| panic!("{name}: {:?}", String::from_utf8_lossy(message)))
    };
    let Some(seconds) = seconds else {
        for _ in 0..USUAL {
            let message = mutated(&mut random, &corpus);
            stands("any", &message, &|message| judge(message, &readers));
        }
        return;
    };
    // Each reader for so long.
    let wanted = std::env::var("OFFPEAK_FUZZ_READER").unwrap_or_default();
    for (name, read) in readers
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
    {
        let until = Instant::now() + Duration::from_secs(seconds);
        let (mut tried, mut taken): (u64, u64) = (0, 0);
        while Instant::now() < until {
            let message = mutated(&mut random, &corpus);
            tried += 1;
            taken += u64::from(stands(name, &message, &|message| read(message)) > 0);
        }
        println!("{name}: {tried} messages, of which it took {taken}");
    }
}
