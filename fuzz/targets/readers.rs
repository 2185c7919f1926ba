//! `READER="list of logs" cargo fuzz run readers` gives one of the readers what libFuzzer thinks of.

#![no_main]

// The readers name the core as the tests do.
extern crate self as offpeak;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
pub(crate) use offpeak_domain as domain;

#[path = "../../tests/it/sources/fuzzed/readers.rs"]
mod readers;

static READ: LazyLock<readers::Read> = LazyLock::new(|| {
    let wanted = std::env::var("READER").unwrap_or_default();
    let mut readers = readers::readers();
    let names: Vec<&str> = readers.iter().map(|(name, _)| *name).collect();
    let place = names.iter().position(|name| *name == wanted);
    let place = place.unwrap_or_else(|| panic!("READER={wanted} is none of {names:?}"));
    readers.swap_remove(place).1
});

fuzz_target!(|octets: &[u8]| {
    READ(octets);
});
