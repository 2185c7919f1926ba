//! Lists: CSV with any columns, JSON objects in lines or in an array, or plain names.

use serde_json::Deserializer;

use super::columns::{COLUMNS, bare};
use super::member::Member;
use crate::domain::plan::MOST_CERTIFICATES;
use crate::domain::time::Timestamp;
use crate::ingest::rejected::{MOST_DETAIL, cut};

/// The longest list, in octets: a million lines of 250.
pub const MOST_LIST_OCTETS: u64 = 256 << 20;

/// The possible separators of a table's cells.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The column with the planned times.
pub const PLANNED: &str = "renew_at";

/// A fleet, and the table it came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Its certificates, in order.
    pub members: Vec<Member>,
    /// The table, if it was CSV.
    pub table: Option<Table>,
}

/// The original CSV, for writing it with another column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its separator: a comma, a semicolon or a tab.
    pub delimiter: u8,
    /// The header's cells.
    pub header: Vec<String>,
    /// The cells of each member.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// The column with the times of an earlier plan, which new times replace.
    #[must_use]
    pub fn planned_column(&self) -> Option<usize> {
        self.header.iter().position(|cell| bare(cell) == PLANNED)
    }
}

/// A list that cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FleetError {
    /// The header has none of the columns that name a certificate.
    #[error("the header has none of the columns cert_id, names and not_after: {0:?}")]
    Header(Vec<String>),
    /// A line is invalid.
    #[error("line {line}: {field}: {reason}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// The column or key; `record` for the whole line.
        field: String,
        /// The reason.
        reason: String,
    },
    /// There are too many certificates.
    #[error("there are more than {MOST_CERTIFICATES} certificates")]
    Many,
    /// It is not text.
    #[error("it is no UTF-8 text")]
    Text,
}

impl Fleet {
    /// Parses a list, whose format is detected by its beginning: `{` or `[` means JSON; a first
    /// line with a known column means CSV; otherwise each line contains names separated by blanks
    /// or commas, or a CertID.
    ///
    /// # Errors
    /// [`FleetError`]; nothing is planned if any part of the list is wrong.
    pub fn parse(octets: &[u8]) -> Result<Self, FleetError> {
        let text = str::from_utf8(octets).map_err(|_| FleetError::Text)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let start = text.trim_start();
        let fleet = match start.chars().next() {
            Some('[') => Self::of_members(array(start)?),
            Some('{') => Self::of_members(objects(start)?),
            _ if start.starts_with("sep=") => {
                let reason = "this line is for Excel alone: remove it; semicolons and tabs are known without it";
                return Err(line_error(1, "record", reason));
            }
            _ if has_header(start) => csv(text, delimiter(start))?,
            _ => Self::of_members(lines(text)?),
        };
        if fleet.members.len() > MOST_CERTIFICATES {
            return Err(FleetError::Many);
        }
        Ok(fleet)
    }

    fn of_members(members: Vec<Member>) -> Self {
        Self {
            members,
            table: None,
        }
    }
}

fn line_error(line: u64, field: &str, reason: impl std::fmt::Display) -> FleetError {
    FleetError::Line {
        line,
        field: field.to_owned(),
        reason: cut(reason, MOST_DETAIL),
    }
}

fn checked(member: Member, line: u64) -> Result<Member, FleetError> {
    match member.check() {
        Ok(()) => Ok(member),
        Err((field, reason)) => Err(line_error(line, field, reason)),
    }
}

fn array(text: &str) -> Result<Vec<Member>, FleetError> {
    let members: Vec<Member> = serde_json::from_str(text)
        .map_err(|error| line_error(number(error.line()), "record", &error))?;
    let checks = members.into_iter().enumerate().map(|(at, member)| {
        let to_error = |(field, reason)| line_error(1, &format!("[{at}].{field}"), reason);
        member.check().map_err(to_error).map(|()| member)
    });
    checks.collect()
}

fn objects(text: &str) -> Result<Vec<Member>, FleetError> {
    let mut stream = Deserializer::from_str(text).into_iter::<Member>();
    let mut members = Vec::new();
    while let Some(member) = stream.next() {
        let line = || number(text[..stream.byte_offset()].lines().count().max(1));
        match member {
            Ok(member) => members.push(match member.check() {
                Ok(()) => member,
                Err((field, reason)) => return Err(line_error(line(), field, reason)),
            }),
            Err(error) => return Err(line_error(number(error.line()), "record", &error)),
        }
        if members.len() > MOST_CERTIFICATES {
            return Err(FleetError::Many);
        }
    }
    Ok(members)
}

fn number(line: usize) -> u64 {
    u64::try_from(line).unwrap_or(u64::MAX)
}

/// Whether the first line is a header: it has a known column, or it has several cells, none with a
/// dot as in names and CertIDs, before lines with dots. Otherwise its words and the content of
/// other columns would be planned as names.
fn has_header(text: &str) -> bool {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let delimiter = char::from(delimiter(text));
    has_known(first, delimiter)
        || (first.contains(delimiter)
            && !first.contains('.')
            && !first.starts_with('#')
            && lines.any(|line| line.contains('.')))
}

/// The separator of the first line: a comma, or another one used by spreadsheets if that yields
/// known columns.
fn delimiter(text: &str) -> u8 {
    let first = text.lines().next().unwrap_or_default();
    let known = |delimiter: &u8| has_known(first, char::from(*delimiter));
    let there = |delimiter: &u8| first.contains(char::from(*delimiter));
    let several = |delimiter: &u8| known(delimiter) && there(delimiter);
    let found = DELIMITERS.into_iter().find(several);
    // A header may contain none of our columns.
    let any = || DELIMITERS.into_iter().find(there);
    found.or_else(any).unwrap_or(b',')
}

fn has_known(line: &str, delimiter: char) -> bool {
    let is_known = |cell: &str| COLUMNS.contains(&bare(cell).as_str());
    line.split(delimiter).any(is_known)
}

fn csv(text: &str, delimiter: u8) -> Result<Fleet, FleetError> {
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.delimiter(delimiter).from_reader(text.as_bytes());
    let fault = |error: &csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        line_error(line, "record", error)
    };
    let header: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(str::to_owned).collect(),
        Err(error) => return Err(fault(&error)),
    };
    let place = |name: &str| header.iter().position(|cell| bare(cell) == name);
    let columns = COLUMNS.map(place);
    let [_, cert_id, names, _, not_after, ..] = columns;
    if [cert_id, names, not_after] == [None; 3] {
        return Err(FleetError::Header(header));
    }
    let mut fleet = Fleet::default();
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| fault(&error))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = columns.map(|column| {
            let cell = column.and_then(|column| record.get(column));
            cell.map(str::trim).filter(|cell| !cell.is_empty())
        });
        fleet.members.push(checked(row(cells, line)?, line)?);
        rows.push(record.iter().map(str::to_owned).collect());
        if rows.len() > MOST_CERTIFICATES {
            return Err(FleetError::Many);
        }
    }
    fleet.table = Some(Table {
        delimiter,
        header,
        rows,
    });
    Ok(fleet)
}

fn row(cells: [Option<&str>; COLUMNS.len()], line: u64) -> Result<Member, FleetError> {
    let [
        id,
        cert_id,
        names,
        not_before,
        not_after,
        earliest,
        deadline,
        account,
        ari,
    ] = cells;
    let cert_id = cert_id.map(str::parse).transpose();
    let time = |column: &str, cell: Option<&str>| {
        cell.map(instant)
            .transpose()
            .map_err(|reason| line_error(line, column, reason))
    };
    let truth = |cell: &str| match cell {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        other => Err(line_error(
            line,
            "ari",
            format_args!("{other:?} is neither true nor false"),
        )),
    };
    Ok(Member {
        id: id.map(str::to_owned),
        cert_id: cert_id.map_err(|error| line_error(line, "cert_id", error))?,
        names: names.map(split).unwrap_or_default(),
        not_before: time("not_before", not_before)?,
        not_after: time("not_after", not_after)?,
        earliest: time("earliest", earliest)?,
        deadline: time("deadline", deadline)?,
        account: account.map(str::to_owned),
        ari: ari.map(truth).transpose()?,
    })
}

/// An instant, or a date for its midnight, as in a list of certificates.
fn instant(text: &str) -> Result<Timestamp, String> {
    let day = (text.len() == 10).then(|| format!("{text}T00:00:00Z"));
    let text = day.as_deref().unwrap_or(text);
    text.parse()
        .map_err(|error: crate::domain::time::TimeError| error.to_string())
}

fn split(names: &str) -> Vec<String> {
    let parts = names.split(|c: char| c.is_whitespace() || c == ',' || c == ';');
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

fn lines(text: &str) -> Result<Vec<Member>, FleetError> {
    let numbered = (1..).zip(text.lines().map(str::trim));
    let to_error = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    to_error
        .map(|(number, line)| {
            // No public name has 27 characters with upper case before a single dot.
            let cert_id = line
                .parse()
                .ok()
                .filter(|_| !line.contains(char::is_whitespace));
            let is_id = cert_id.is_some() && line.len() > 30 && line.matches('.').count() == 1;
            let member = if is_id {
                Member {
                    cert_id,
                    ..Member::default()
                }
            } else {
                Member {
                    names: split(line),
                    ..Member::default()
                }
            };
            checked(member, number)
        })
        .collect()
}
