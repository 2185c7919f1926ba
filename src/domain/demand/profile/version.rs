//! A profile's version.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::shape::{Evidence, Profile};

/// The version of the algorithm; raised by any change that can change a profile.
const ALGORITHM: u32 = 1;

/// The version of the algorithm, a dot, and 16 hexadecimal digits: a hash of what affects windows
/// (coefficients, evidence, minutes, first of the month). The values are rounded to 4 decimals, so that
/// the last bits of sums do not make a new version.
pub(super) fn version(profile: &Profile) -> String {
    let mut text = format!("{}\n", profile.slot_seconds);
    let day = profile
        .day
        .iter()
        .map(|slot| (slot.coefficient, slot.evidence));
    let week = profile
        .week
        .iter()
        .map(|slot| (slot.coefficient, slot.evidence));
    for (coefficient, evidence) in day.chain(week) {
        let mark = match evidence {
            Evidence::Insufficient => '?',
            Evidence::Sufficient => '=',
        };
        push(&mut text, mark, coefficient);
    }
    for minute in profile.minutes.iter().flatten() {
        push(&mut text, 'm', *minute);
    }
    if let Some(first) = profile.first_of_month {
        push(&mut text, 'f', first.value);
    }
    let hash = Sha256::digest(text.as_bytes());
    let mut version = format!("{ALGORITHM}.");
    for octet in &hash[..8] {
        push_hex(&mut version, *octet);
    }
    version
}

/// Writing to a `String` cannot fail.
fn push(text: &mut String, mark: char, number: f64) {
    let _ = writeln!(text, "{mark}{number:.4}");
}

fn push_hex(text: &mut String, octet: u8) {
    let _ = write!(text, "{octet:02x}");
}
