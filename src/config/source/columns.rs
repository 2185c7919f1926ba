//! The columns of an export, for the kinds `csv` and `sql`.

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value;
use crate::domain::demand::observation::{Kind, Source};
use crate::domain::time::{HOUR, MINUTE};

/// The longest name of a column in bytes; PostgreSQL allows 63.
const MOST_NAME_OCTETS: usize = 200;

/// The fields that a column may contain, by their names in observations.
const FIELDS: [&str; 6] = [
    "at",
    "count",
    "kind",
    "endpoint",
    "error_type",
    "latency_ms",
];

/// How rows of an export become observations.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnsConfig {
    /// Pairs of an observation's field and the column with it; one of them is `at`. Without `count`,
    /// each row is one event.
    pub columns: Vec<(&'static str, String)>,
    /// The kind of the counts, if no column has it.
    pub counts: Kind,
    /// The source as which the counts are trusted.
    pub believed_as: Source,
    /// The seconds that a row covers, from its `at` on; a minute if each row is one event.
    pub row_seconds: i64,
}

impl ColumnsConfig {
    /// Whether a column has this field.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.columns.iter().any(|(of, _)| *of == field)
    }
}

pub(super) fn read(
    section: &mut Section<'_>,
    problems: &mut Problems<'_>,
) -> Option<ColumnsConfig> {
    let counts = section.read("counts", problems, |v| {
        let kind = value::text(v)?.parse::<Kind>();
        kind.map_err(|error| error.to_string())
    });
    let believed_as = section.read("source", problems, |v| {
        let source = value::text(v)?.parse::<Source>();
        match source.map_err(|error| error.to_string())? {
            Source::Registrations => {
                Err("certificates are registered to be that: not counted".to_owned())
            }
            source => Ok(source),
        }
    });
    let row_seconds = section.read("row", problems, |v| value::duration(v, MINUTE..=24 * HOUR));
    let has_row = section.has("row");
    let Some(mut table) = section.section("columns", problems) else {
        if !section.has("columns") {
            section.fault("columns", problems, "is missing");
        }
        return None;
    };
    let mut columns = Vec::new();
    for field in FIELDS {
        let column = table.read(field, problems, |v| {
            let name = value::text(v)?;
            if (1..=MOST_NAME_OCTETS).contains(&name.len()) && !name.contains('\0') {
                Ok(name.to_owned())
            } else {
                Err(format!("takes 1 to {MOST_NAME_OCTETS} octets"))
            }
        });
        columns.extend(column.map(|column| (field, column)));
    }
    let has = |field: &str| columns.iter().any(|(of, _)| *of == field);
    let each_is_one = !has("count");
    if !table.has("at") {
        table.fault("at", problems, "is missing");
    }
    if each_is_one && has("latency_ms") {
        table.fault(
            "latency_ms",
            problems,
            "goes with a column for `count` alone",
        );
    }
    if each_is_one && has_row {
        section.fault("row", problems, "goes with a column for `count` alone");
    }
    table.finish(problems);
    has("at").then(|| ColumnsConfig {
        columns,
        counts: counts.unwrap_or(Kind::Issued),
        believed_as: believed_as.unwrap_or(Source::Import),
        row_seconds: row_seconds.unwrap_or(MINUTE),
    })
}
