//! CSV (RFC 4180) with a header; a record is one line.

use std::borrow::Cow;

use super::fields::Fields;
use super::{WHOLE_RECORD, rejection};
use crate::domain::report::Rejection;

/// A table whose columns are told by its header: any order, required ones first in `names`.
pub(super) struct Table<const N: usize> {
    names: &'static [&'static str; N],
    required: usize,
    header: Header,
}

enum Header {
    Awaited,
    /// Which of the names stands in each column.
    Read(Vec<usize>),
    /// Without a header nothing below it can be read.
    Refused,
}

/// What a line of a table is.
pub(super) enum Row<'a, const N: usize> {
    Header,
    /// Below a header that was refused.
    Ignored,
    Record(Fields<Cow<'a, str>, N>),
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(names: &'static [&'static str; N], required: usize) -> Self {
        Self {
            names,
            required,
            header: Header::Awaited,
        }
    }

    /// # Errors
    /// A rejection of the header or of this record.
    pub(super) fn row<'a>(&mut self, line: &'a str) -> Result<Row<'a, N>, Rejection> {
        match &self.header {
            Header::Awaited => {
                self.header = Header::Refused;
                self.header = Header::Read(self.columns(line)?);
                Ok(Row::Header)
            }
            Header::Read(columns) => record(self.names, columns, line).map(Row::Record),
            Header::Refused => Ok(Row::Ignored),
        }
    }

    /// What is wrong where the body ends here.
    pub(super) fn end(&self) -> Option<Rejection> {
        matches!(self.header, Header::Awaited).then(|| {
            rejection(
                self.names[0],
                format_args!("there is no header; {}", self.usage()),
            )
        })
    }

    fn columns(&self, line: &str) -> Result<Vec<usize>, Rejection> {
        let mut columns = Vec::with_capacity(N);
        for cell in Cells::of(line) {
            let cell = cell.map_err(|detail| rejection(WHOLE_RECORD, detail))?;
            let name = cell.trim_ascii();
            let Some(column) = self.names.iter().position(|known| *known == name) else {
                return Err(rejection(
                    name,
                    format_args!(
                        "the header names an unknown column {name:.60?}, so nothing was read; {}",
                        self.usage()
                    ),
                ));
            };
            if columns.contains(&column) {
                return Err(rejection(
                    name,
                    "the header names this column twice, so nothing was read",
                ));
            }
            columns.push(column);
        }
        match (0..self.required).find(|column| !columns.contains(column)) {
            None => Ok(columns),
            Some(missing) => Err(rejection(
                self.names[missing],
                format_args!(
                    "the header lacks this column, so nothing was read; {}",
                    self.usage()
                ),
            )),
        }
    }

    fn usage(&self) -> String {
        let (required, optional) = self.names.split_at(self.required);
        if required.is_empty() {
            return format!("it takes {}", optional.join(","));
        }
        format!(
            "it takes {} and, where known, {}",
            required.join(","),
            optional.join(",")
        )
    }
}

fn record<'a, const N: usize>(
    names: &'static [&'static str; N],
    columns: &[usize],
    line: &'a str,
) -> Result<Fields<Cow<'a, str>, N>, Rejection> {
    let mut values = [const { None }; N];
    let mut cells = Cells::of(line);
    for (read, column) in columns.iter().enumerate() {
        let Some(cell) = cells.next() else {
            return Err(rejection(
                names[*column],
                format_args!("the header has {} columns, this line {read}", columns.len()),
            ));
        };
        values[*column] = Some(cell.map_err(|detail| rejection(names[*column], detail))?);
    }
    if cells.next().is_some() {
        return Err(rejection(
            WHOLE_RECORD,
            format_args!(
                "the line has more than the header's {} columns",
                columns.len()
            ),
        ));
    }
    Ok(Fields { names, values })
}

/// The cells of one line.
struct Cells<'a> {
    rest: Option<&'a str>,
}

impl<'a> Cells<'a> {
    const fn of(line: &'a str) -> Self {
        Self { rest: Some(line) }
    }

    /// The cell whose opening quote is already taken off `rest`.
    fn quoted(&mut self, rest: &'a str) -> Result<Cow<'a, str>, &'static str> {
        let mut cell = Cow::Borrowed("");
        let mut rest = rest;
        loop {
            let Some((inside, after)) = rest.split_once('"') else {
                return Err("its quote is not closed on the same line");
            };
            // Borrowed where there is no doubled quote: adding to an empty `Cow` copies nothing.
            cell += inside;
            if let Some(after) = after.strip_prefix('"') {
                cell += "\"";
                rest = after;
            } else if after.is_empty() {
                return Ok(cell);
            } else if let Some(after) = after.strip_prefix(',') {
                self.rest = Some(after);
                return Ok(cell);
            } else {
                return Err("there is text behind its closing quote");
            }
        }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<Cow<'a, str>, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if let Some(inside) = rest.strip_prefix('"') {
            return Some(self.quoted(inside));
        }
        let cell = match rest.split_once(',') {
            None => rest,
            Some((cell, after)) => {
                self.rest = Some(after);
                cell
            }
        };
        Some(Ok(Cow::Borrowed(cell)))
    }
}
