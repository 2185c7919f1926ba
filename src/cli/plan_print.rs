//! A plan as a person or a shell script reads it.

use std::io::Write as _;

use super::output::Output;
use crate::domain::plan::{Advice, Catalogue, Plan, Terms};
use crate::domain::time::Timestamp;
use crate::ingest::fleet::{Fleet, Member, look_alikes};

/// So many that are late are named: a line of a terminal or two.
const MOST_NAMED: usize = 5;

/// A line for each, in the order of the fleet.
pub(super) fn print(fleet: &Fleet, times: &[Timestamp], output: &mut Output) -> anyhow::Result<()> {
    if let Some(table) = &fleet.table {
        let mut writer = csv::Writer::from_writer(std::io::BufWriter::new(output));
        let header = table.header.iter().map(String::as_str);
        writer.write_record(header.chain(["renew_at"]))?;
        for (row, at) in table.rows.iter().zip(times) {
            let at = at.to_string();
            writer.write_record(row.iter().map(String::as_str).chain([at.as_str()]))?;
        }
        writer.flush()?;
        return Ok(());
    }
    let mut out = std::io::BufWriter::new(output);
    for (member, at) in fleet.members.iter().zip(times) {
        match member.label() {
            label if label.is_empty() => writeln!(out, "{at}")?,
            label => writeln!(out, "{at}\t{label}")?,
        }
    }
    out.flush()?;
    Ok(())
}

/// What the owner of a list may not have meant: columns that look like one of ours, and certificates whose
/// time has passed.
pub(super) fn remarks(fleet: &Fleet, now: Timestamp) -> Vec<String> {
    let header = fleet.table.as_ref().map_or(&[][..], |table| &table.header);
    let mut remarks: Vec<String> = look_alikes(header)
        .into_iter()
        .map(|(cell, known)| {
            format!("column {cell:?} is kept and not read; did you mean {known:?}?")
        })
        .collect();
    let missed = |member: &Member| Some(format!("{} ({})", member.label(), member.missed(now)?));
    let mut late: Vec<String> = fleet.members.iter().filter_map(missed).collect();
    if !late.is_empty() {
        let count = late.len();
        late.truncate(MOST_NAMED);
        let more = if count > MOST_NAMED { ", …" } else { "" };
        remarks.push(format!(
            "{count} late, since the deadline or the certificate's end has passed; planned within the next \
             day: {}{more}",
            late.join(", ")
        ));
    }
    remarks
}

/// What a person wants to know of it.
pub(super) fn told(plan: &Plan, terms: &Terms<'_>, advice: &Advice) -> String {
    let (first, last) = (plan.times.iter().min(), plan.times.iter().max());
    let mut told = String::new();
    if let (Some(first), Some(last)) = (first, last) {
        let count = plan.times.len();
        told = format!("{count} planned from {first} to {last}");
    }
    if !terms.limits.as_of.is_empty() {
        let Catalogue { name, as_of, .. } = terms.limits;
        told = format!("{told}, under the limits of {name} of {as_of}");
    }
    if plan.as_early_as_limits_allow {
        told += "; the limits leave no room for levelling";
    }
    if let Some(wait) = advice.wait {
        return format!("{told}; now: none, {wait}");
    }
    let (pace, most) = (advice.per_minute, advice.max_concurrent);
    format!("{told}; now: {pace} a minute, {most} at a time")
}
