//! The readers of what sources give, on messages that were mutated.
//!
//! `OFFPEAK_FUZZ_SECONDS=600` mutates for ten minutes for each reader, one after the other; where it fails, the message that it
//! prints is a new case for the corpus.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// A reader: from octets to how many records it took.
type Read = Box<dyn Fn(&[u8]) -> usize>;

/// All of them, by name.
fn readers() -> Vec<(&'static str, Read)> {
    let pattern = "[{time}] {method} {path} -> {status} in {latency_ms}ms {error} {*}";
    let formats = [
        ("boulder-ra", Format::BoulderRa),
        ("boulder-wfe", Format::BoulderWfe),
        ("caddy", Format::Caddy),
        ("combined", Format::Combined),
        ("nginx-json", Format::NginxJson),
        ("openbao", Format::OpenBao),
        ("pattern", Format::Pattern(Pattern::parse(pattern).unwrap())),
        ("step-ca", Format::StepCa),
    ];
    let mut readers: Vec<(&'static str, Read)> = Vec::new();
    for (name, format) in formats {
        readers.push((name, Box::new(move |message| lines(message, &format))));
    }
    readers.push((
        "a pattern itself",
        Box::new(|message| text(message, |text| usize::from(Pattern::parse(text).is_ok()))),
    ));
    readers.push(("checkpoint", Box::new(|message| text(message, checkpoint))));
    readers.push((
        "cursor of an export",
        Box::new(|message| text(message, cursor)),
    ));
    readers.push(("tile", Box::new(tile)));
    readers.push((
        "leaf",
        Box::new(|message| usize::from(Leaf::of_leaf_input(message).is_some())),
    ));
    let now = Timestamp::from_unix(1_795_867_200);
    readers.push((
        "list of logs",
        Box::new(move |message| usize::from(logs(message, &[], now).is_ok())),
    ));
    readers.push((
        "ranking",
        Box::new(|message| usize::from(Prior::parse(message).is_ok())),
    ));
    for (name, format) in [
        ("csv", ObservationFormat::Csv),
        ("ndjson", ObservationFormat::Ndjson),
    ] {
        readers.push((name, Box::new(move |message| observations(message, format))));
    }
    readers
}

fn lines(message: &[u8], format: &Format) -> usize {
    let mut taken = 0;
    for line in message.split(|octet| *octet == b'\n') {
        let read = format.read(line);
        taken += usize::from(matches!(read, Ok(Some(_))));
        let _ = format.time(line);
    }
    taken
}

fn text(message: &[u8], read: impl Fn(&str) -> usize) -> usize {
    std::str::from_utf8(message).map_or(0, read)
}

fn checkpoint(text: &str) -> usize {
    let tree = SignedTree::of_checkpoint(text, "example.com/log", &[0; 32]);
    usize::from(tree.is_ok_and(|tree| tree.signed().len() == 50))
}

fn cursor(text: &str) -> usize {
    text.parse::<ExportCursor>().map_or(0, |cursor| {
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        1
    })
}

fn tile(message: &[u8]) -> usize {
    Leaf::of_tile(message).map_or(0, |leaves| {
        for leaf in &leaves {
            let _ = leaf.hash();
        }
        usize::from(!leaves.is_empty())
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
    for (name, read) in &readers {
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
