//! CSV (RFC 4180) with a header; a record is one line.

use std::borrow::Cow;

use super::decode::ReadText;
use super::fields::{Fields, Unknown};
use super::rejected::{WHOLE_RECORD, quoted, rejection};
use crate::engine::verdict::Rejection;

/// A table with a header, whose columns may be in any order; required ones come first in `names`.
pub(super) struct Table<const N: usize> {
    names: &'static [&'static str; N],
    required: usize,
    /// Alternative sets of columns; the header must contain one of them, if there are any.
    one_of: &'static [&'static [usize]],
    unknown: Unknown,
    header: Header,
}

enum Header {
    Awaited,
    /// The name in each column; `None` for columns to ignore.
    Read(Vec<Option<usize>>),
    /// The header was rejected, so nothing below it can be read.
    Refused,
}

/// A table, and the reader of its rows.
pub(super) struct Rows<const N: usize, F> {
    table: Table<N>,
    read: F,
}

impl<const N: usize, F> Rows<N, F> {
    pub(super) fn new<T>(table: Table<N>, read: F) -> Self
    where
        F: Fn(&Fields<Cow<'_, str>, N>) -> Result<T, Rejection> + Send,
    {
        Self { table, read }
    }
}

impl<T, const N: usize, F> ReadText<T> for Rows<N, F>
where
    F: Fn(&Fields<Cow<'_, str>, N>) -> Result<T, Rejection> + Send,
{
    fn text(&mut self, text: &str) -> Option<Result<T, Rejection>> {
        let row = self.table.row(text).transpose()?;
        Some(row.and_then(|fields| (self.read)(&fields)))
    }

    fn end(&mut self) -> Option<Rejection> {
        self.table.end()
    }
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(names: &'static [&'static str; N], required: usize) -> Self {
        Self {
            names,
            required,
            one_of: &[],
            unknown: Unknown::Refused,
            header: Header::Awaited,
        }
    }

    /// The same, requiring one of these sets of columns.
    pub(super) fn with_one_of(self, one_of: &'static [&'static [usize]]) -> Self {
        Self { one_of, ..self }
    }

    /// The same, with this treatment of unknown columns.
    pub(super) fn with_unknown(self, unknown: Unknown) -> Self {
        Self { unknown, ..self }
    }

    /// The fields of a line; `None` for the header, and below a rejected one.
    ///
    /// # Errors
    /// The header or this record is rejected.
    fn row<'a>(&mut self, line: &'a str) -> Result<Option<Fields<Cow<'a, str>, N>>, Rejection> {
        match &self.header {
            Header::Awaited => {
                self.header = Header::Refused;
                self.header = Header::Read(self.columns(line)?);
                Ok(None)
            }
            Header::Read(columns) => record(self.names, columns, line).map(Some),
            Header::Refused => Ok(None),
        }
    }

    /// The error if the body ends here.
    fn end(&self) -> Option<Rejection> {
        matches!(self.header, Header::Awaited).then(|| {
            rejection(
                self.names[0],
                format_args!("there is no header; {}", self.usage()),
            )
        })
    }

    fn columns(&self, line: &str) -> Result<Vec<Option<usize>>, Rejection> {
        let mut columns = Vec::with_capacity(N);
        for cell in Cells::of(line) {
            let cell = cell.map_err(|detail| rejection(WHOLE_RECORD, detail))?;
            let name = cell.trim_ascii();
            let column = self.names.iter().position(|known| *known == name);
            if column.is_none() && self.unknown == Unknown::Refused {
                return Err(rejection(
                    name,
                    format_args!(
                        "the header names an unknown column {}, so nothing was read; {}",
                        quoted(name),
                        self.usage()
                    ),
                ));
            }
            if column.is_some() && columns.contains(&column) {
                return Err(rejection(
                    name,
                    "the header names this column twice, so nothing was read",
                ));
            }
            columns.push(column);
        }
        let lacks = |column: &usize| !columns.contains(&Some(*column));
        if let Some(missing) = (0..self.required).find(|column| lacks(column)) {
            return Err(self.lacking(self.names[missing]));
        }
        let is_lacking = |set: &[usize]| set.iter().any(lacks);
        match self.one_of {
            [first, ..] if self.one_of.iter().all(|set| is_lacking(set)) => {
                Err(self.lacking(self.names[first[0]]))
            }
            _ => Ok(columns),
        }
    }

    fn lacking(&self, name: &str) -> Rejection {
        rejection(
            name,
            format_args!(
                "the header lacks this column, so nothing was read; {}",
                self.usage()
            ),
        )
    }

    fn usage(&self) -> String {
        let named = |columns: &[usize]| {
            let names: Vec<&str> = columns.iter().map(|column| self.names[*column]).collect();
            names.join(",")
        };
        let (required, optional): (Vec<usize>, Vec<usize>) = (0..N)
            .filter(|column| !self.one_of.iter().any(|set| set.contains(column)))
            .partition(|column| *column < self.required);
        let mut taken: Vec<String> = self.one_of.iter().map(|set| named(set)).collect();
        taken = match (&taken[..], &required[..]) {
            ([], []) => return format!("it takes {}", named(&optional)),
            ([], _) => vec![named(&required)],
            (sets, _) => vec![sets.join(" or "), named(&required)],
        };
        format!(
            "it takes {} and, where known, {}",
            taken.join(" and "),
            named(&optional)
        )
    }
}

fn record<'a, const N: usize>(
    names: &'static [&'static str; N],
    columns: &[Option<usize>],
    line: &'a str,
) -> Result<Fields<Cow<'a, str>, N>, Rejection> {
    let mut values = [const { None }; N];
    let mut cells = Cells::of(line);
    for (read, column) in columns.iter().enumerate() {
        let Some(cell) = cells.next() else {
            return Err(rejection(
                column.map_or(WHOLE_RECORD, |column| names[column]),
                format_args!("the header has {} columns, this line {read}", columns.len()),
            ));
        };
        let name = column.map_or(WHOLE_RECORD, |column| names[column]);
        let cell = cell.map_err(|detail| rejection(name, detail))?;
        if let Some(column) = column {
            values[*column] = Some(cell);
        }
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

/// The cells of a line.
struct Cells<'a> {
    rest: Option<&'a str>,
}

impl<'a> Cells<'a> {
    const fn of(line: &'a str) -> Self {
        Self { rest: Some(line) }
    }

    /// A quoted cell; `rest` begins after its opening quote.
    fn quoted(&mut self, rest: &'a str) -> Result<Cow<'a, str>, &'static str> {
        let mut cell = Cow::Borrowed("");
        let mut rest = rest;
        loop {
            let Some((inside, after)) = rest.split_once('"') else {
                return Err("its quote is not closed on the same line");
            };
            // Borrowed if there is no doubled quote, because adding to an empty `Cow` copies
            // nothing.
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
