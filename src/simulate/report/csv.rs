//! An outcome as CSV, for other programs.

use std::io::{self, Write};

use crate::domain::math::number::signed;
use crate::outcome::Outcome;

/// Writes a line for each slot: its beginning, and its load under each rule, in certificates.
///
/// # Errors
/// If `out` cannot be written.
pub fn slots(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    write!(out, "slot")?;
    for rule in &outcome.rules {
        write!(out, ",{}", rule.rule.name())?;
    }
    let loads = outcome.rules.iter().map(|rule| rule.load.len());
    for slot in 0..loads.max().unwrap_or(0) {
        write!(
            out,
            "\n{}",
            outcome.start + signed(slot) * outcome.slot_seconds
        )?;
        for rule in &outcome.rules {
            match rule.load.get(slot) {
                Some(load) => write!(out, ",{load:.1}")?,
                None => write!(out, ",")?,
            }
        }
    }
    writeln!(out)
}

/// Writes a line for each second around the busiest moments of each rule.
///
/// # Errors
/// If `out` cannot be written.
pub fn seconds(outcome: &Outcome, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "rule,second,certificates")?;
    for rule in &outcome.rules {
        for peak in &rule.peaks {
            for (second, certificates) in peak.per_second.iter().enumerate() {
                let at = peak.from + signed(second);
                writeln!(out, "{},{at},{certificates}", rule.rule.name())?;
            }
        }
    }
    Ok(())
}
