//! The readers of what goes through, on real messages of Pebble's and its clients' that were mutated.
//!
//! Each case is one that mutation found, or a message of the corpus. `OFFPEAK_FUZZ_SECONDS=600` mutates for
//! ten minutes; what it prints then is a new case.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use offpeak::domain::acme::{Envelope, Intent, Jwk, Object, Signer, with_member, with_text};
use offpeak::domain::certificate::hash::HashKey;
use offpeak::ingest::first_of_chain;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value};

/// Mutations in an ordinary run: some seconds.
const USUAL: u64 = 20_000;

/// A message does not grow beyond this many octets: bodies are bounded where they are read.
const LONGEST: usize = 64 * 1024;

/// What mutations put into messages: what JSON, base64url, PEM and DER mean something by.
const TOKENS: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"\\u0065",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-0",
    b"1e999",
    b"\0",
    b"\xff",
    "\u{feff}".as_bytes(),
    b"\"replaces\":\"x\",",
    b"\"status\":\"valid\",",
    b"\"payload\":\"\",",
    b"\"kid\":\"https://ca/1\",",
    b"=",
    b"-----BEGIN CERTIFICATE-----\n",
    b"\x30\x80",
    b"\x30\x84\xff\xff\xff\xff",
];

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gateway/corpus");
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

/// Reads a message by every reader, as if it were meant for it; whether what they say agrees.
fn judge(message: &[u8]) {
    let key = HashKey::new([7; 16]);
    if let Some(envelope) = Envelope::read(message) {
        judge_intent(&envelope.payload, &key);
        if let Signer::Key(Some(jwk)) = &envelope.signer {
            assert_eq!(Jwk::from_octets(&jwk.to_octets()).as_ref(), Some(jwk));
        }
        assert!(envelope.url_path().is_none_or(|path| path.starts_with('/')));
        // A member that nobody reads may be no UTF-8, which Go takes too; else both read the same.
        if let Ok(read) = serde_json::from_slice::<Map<String, Value>>(message) {
            let signed = format!("{}.{}", text(&read["protected"]), text(&read["payload"]));
            assert_eq!(envelope.signed, signed.as_bytes());
        }
    }
    judge_intent(message, &key);
    // What an object is does not hang on how it is written.
    let object = Object::of(message);
    if let Ok(Value::Object(read)) = serde_json::from_slice(message) {
        let again = serde_json::to_vec(&read).unwrap();
        assert_eq!(Object::of(&again), object);
        judge_splices(message, &read);
    } else {
        assert_eq!(with_member(message, "replaces", "a.b"), None);
        // A number that is too large for us, in a member that is not looked at, is none for others; what is read
        // further is read whole.
        assert!(!matches!(object, Object::Directory(_) | Object::Order(_)));
    }
    let _ = first_of_chain(message);
    let _ = Jwk::from_octets(message);
}

fn judge_intent(payload: &[u8], key: &HashKey) {
    if let Intent::NewOrder(order) = Intent::of(payload) {
        assert!(!order.names.is_empty());
        assert!(!order.names.each_hash(key).is_empty());
        let _ = order.names.hash(key);
    }
}

/// A member more, or in the place of another, and every other as it was.
fn judge_splices(message: &[u8], read: &Map<String, Value>) {
    let member = ("replaces", Value::from("a\"b\\.c"));
    let with = |spliced: &[u8]| serde_json::from_slice::<Map<String, Value>>(spliced).unwrap();
    let mut want = read.clone();
    want.insert(member.0.to_owned(), member.1.clone());
    match with_member(message, member.0, text(&member.1)) {
        Some(spliced) => assert_eq!(with(&spliced), want),
        None => assert!(read.contains_key(member.0)),
    }
    let replaced = with_text(message, member.0, text(&member.1)).unwrap();
    assert_eq!(with(&replaced), want);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
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
        match random.random_range(0..6) {
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
            4 => message[from] = random.random(),
            _ => {
                let token = TOKENS[random.random_range(0..TOKENS.len())];
                message.splice(from..from, token.iter().copied());
            }
        }
    }
    message
}

#[test]
fn readers_agree_about_the_corpus() {
    let corpus = corpus();
    assert!(corpus.len() >= 20, "{}", corpus.len());
    for (name, message) in &corpus {
        judge(message);
        let object = Object::of(message);
        let envelope = Envelope::read(message);
        match name.rsplit_once('.').unwrap() {
            (_, "jws") => assert!(envelope.is_some(), "{name}"),
            (_, "found" | "pem") => {}
            (kind, _) => assert_ne!(object, Object::Other, "{kind}"),
        }
    }
}

#[test]
fn readers_stand_messages_that_were_mutated() {
    let seconds = std::env::var("OFFPEAK_FUZZ_SECONDS");
    let seconds: Option<u64> = seconds.ok().and_then(|seconds| seconds.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    // The same each time, or another each time where it is to find something.
    let mut random = StdRng::seed_from_u64(if until.is_some() { rand::random() } else { 7 });
    let corpus = corpus();
    let mut tried: u64 = 0;
    while until.map_or(tried < USUAL, |until| Instant::now() < until) {
        let message = mutated(&mut random, &corpus);
        tried += 1;
        let stands = catch_unwind(|| judge(&message)).is_ok();
        assert!(stands, "{:?}", String::from_utf8_lossy(&message));
    }
    println!("{tried} messages");
}

#[test]
fn what_json_may_write_with_escapes_is_read_as_without() {
    let corpus = corpus();
    let (_, message) = corpus
        .iter()
        .find(|(name, _)| name == "new-order.jws")
        .unwrap();
    let plain = Envelope::read(message).unwrap();
    let escaped = String::from_utf8(message.clone()).unwrap();
    let escaped = escaped.replacen("\"payload\": \"e", "\"payload\": \"\\u0065", 1);
    assert_ne!(escaped.as_bytes(), message);
    assert_eq!(Envelope::read(escaped.as_bytes()), Some(plain));
}
