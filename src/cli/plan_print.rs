//! Prints a plan for people and shell scripts.

use std::io::Write as _;

use super::output::Output;
use crate::domain::plan::{Advice, Catalogue, MOST_SECONDS_AHEAD, Plan, Terms};
use crate::domain::time::{DAY, Timestamp};
use crate::ingest::fleet::{Fleet, Member, PLANNED, Table, look_alikes};

/// At most this many late certificates are named: one or two lines of a terminal.
const MOST_NAMED: usize = 5;

/// A fleet as it was read, and which certificates are planned.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) fleet: Fleet,
    /// One for each member.
    pub(super) is_due: Vec<bool>,
}

impl Planned {
    /// Prints a line for each planned certificate, in the order of the fleet. For a table it prints
    /// every row, without a time if it is not planned. `times` belong to the planned ones.
    pub(super) fn print(&self, times: &[Timestamp], output: &mut Output) -> anyhow::Result<()> {
        let mut left = times.iter();
        let mut of_due = |is_due: &bool| is_due.then(|| left.next().copied()).flatten();
        let times: Vec<Option<Timestamp>> = self.is_due.iter().map(&mut of_due).collect();
        if let Some(table) = &self.fleet.table {
            let mut builder = csv::WriterBuilder::new();
            let builder = builder.delimiter(table.delimiter);
            let mut writer = builder.from_writer(std::io::BufWriter::new(output));
            let place = table.planned_column();
            writer.write_record(with_cell(&table.header, place, None))?;
            for (row, at) in table.rows.iter().zip(times) {
                let at = at.map_or_else(String::new, |at| at.to_string());
                writer.write_record(with_cell(row, place, Some(&at)))?;
            }
            writer.flush()?;
            return Ok(());
        }
        let mut out = std::io::BufWriter::new(output);
        for (member, at) in self.fleet.members.iter().zip(times) {
            match (at, member.label()) {
                (None, _) => {}
                (Some(at), label) if label.is_empty() => writeln!(out, "{at}")?,
                (Some(at), label) => writeln!(out, "{at}\t{label}")?,
            }
        }
        out.flush()?;
        Ok(())
    }
}

/// The cells of a row with the planned time, in place of an earlier plan's time or at the end. For
/// the header, the column's name.
fn with_cell<'a>(row: &'a [String], place: Option<usize>, at: Option<&'a str>) -> Vec<&'a str> {
    let mut cells: Vec<&str> = row.iter().map(String::as_str).collect();
    match place {
        Some(place) => cells[place] = at.unwrap_or(cells[place]),
        None => cells.push(at.unwrap_or(PLANNED)),
    }
    cells
}

/// The note about certificates that are due later than plans reach.
pub(super) fn not_due(labels: &[String]) -> String {
    let named = labels.iter().take(MOST_NAMED).map(String::as_str);
    let named: Vec<&str> = named.collect();
    let more = if labels.len() > MOST_NAMED {
        ", …"
    } else {
        ""
    };
    format!(
        "{} left out, since their time comes after the {} days that are planned ahead: {}{more}",
        labels.len(),
        MOST_SECONDS_AHEAD / DAY,
        named.join(", ")
    )
}

/// Possible mistakes in a list: columns that resemble known ones, and certificates whose time has
/// passed.
pub(super) fn remarks(fleet: &Fleet, now: Timestamp) -> Vec<String> {
    let header = fleet.table.as_ref().map_or(&[][..], |table| &table.header);
    let mut remarks: Vec<String> = look_alikes(header)
        .into_iter()
        .map(|(cell, known)| {
            format!("column {cell:?} is kept and not read; did you mean {known:?}?")
        })
        .collect();
    let earlier = fleet.table.as_ref().and_then(Table::planned_column);
    if earlier.is_some() {
        remarks.push(format!(
            "column {PLANNED:?} of an earlier plan is replaced by this one's"
        ));
    }
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

/// The plan as text.
pub(super) fn as_text(plan: &Plan, terms: &Terms<'_>, advice: &Advice) -> String {
    let (first, last) = (plan.times.iter().min(), plan.times.iter().max());
    let mut as_text = String::new();
    if let (Some(first), Some(last)) = (first, last) {
        let count = plan.times.len();
        as_text = format!("{count} planned from {first} to {last}");
    }
    if !terms.limits.as_of.is_empty() {
        let Catalogue { name, as_of, .. } = terms.limits;
        as_text = format!("{as_text}, under the limits of {name} of {as_of}");
    }
    if plan.as_early_as_limits_allow {
        as_text += "; the limits leave no room for levelling";
    }
    if let Some(wait) = advice.wait {
        return format!("{as_text}; now: none, {wait}");
    }
    let (pace, most) = (advice.per_minute, advice.max_concurrent);
    format!("{as_text}; now: {pace} a minute, {most} at a time")
}
