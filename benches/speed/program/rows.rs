//! What is measured, in which unit, and what is aimed at.

use std::fmt;

/// A group of rows that is measured together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Windows drawn.
    Allocation,
    /// Unknown CertIDs by the thousand.
    Flood,
    /// CSV and PEM files into both databases.
    Import,
    /// The index alone, up to 10^8 certificates.
    Index,
    /// Instructions a request.
    Instructions,
    /// Single registrations beside a bulk import.
    Posts,
    /// A static document.
    Ranking,
    /// Memory, and how soon it answers.
    Restart,
    /// `renewalInfo` beside nginx.
    Serving,
}

/// What a value should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    /// It is there to be compared with.
    Free,
}

/// One thing measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) part: Part,
    pub(super) meaning: &'static str,
    pub(super) unit: &'static str,
    pub(super) target: Target,
    /// The row that it is a ratio to.
    pub(super) ratio_to: Option<&'static str>,
}

const fn row(part: Part, name: &'static str, unit: &'static str, meaning: &'static str) -> Row {
    Row {
        name,
        part,
        meaning,
        unit,
        target: Target::Free,
        ratio_to: None,
    }
}

impl Row {
    const fn to(self, other: &'static str) -> Self {
        Self {
            ratio_to: Some(other),
            ..self
        }
    }

    const fn at_least(self, least: f64) -> Self {
        Self {
            target: Target::AtLeast(least),
            ..self
        }
    }

    const fn at_most(self, most: f64) -> Self {
        Self {
            target: Target::AtMost(most),
            ..self
        }
    }

    const fn below(self, limit: f64) -> Self {
        Self {
            target: Target::Below(limit),
            ..self
        }
    }
}

impl Part {
    /// In the order in which they are measured and shown.
    pub(super) const ALL: [Self; 9] = [
        Self::Serving,
        Self::Ranking,
        Self::Instructions,
        Self::Flood,
        Self::Restart,
        Self::Index,
        Self::Import,
        Self::Posts,
        Self::Allocation,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Allocation => "allocation",
            Self::Flood => "flood",
            Self::Import => "import",
            Self::Index => "index",
            Self::Instructions => "instructions",
            Self::Posts => "posts",
            Self::Ranking => "ranking",
            Self::Restart => "restart",
            Self::Serving => "serving",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Allocation => "Drawing windows",
            Self::Flood => "A flood of unknown CertIDs, on PostgreSQL",
            Self::Import => "Importing",
            Self::Index => "The index alone",
            Self::Instructions => "Instructions in user space",
            Self::Posts => "Single registrations during a bulk import",
            Self::Ranking => "`ranking.json`",
            Self::Restart => "Restart and memory",
            Self::Serving => "`renewalInfo`",
        }
    }
}

impl Target {
    /// `None` where there is nothing to meet.
    pub(super) fn is_met_by(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::Below(limit) => Some(value < limit),
            Self::Free => None,
        }
    }
}

impl fmt::Display for Target {
    /// As machines read it; nothing where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::Free => Ok(()),
        }
    }
}

/// The row of this name.
pub(super) fn named(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

const REQUESTS: &str = "requests/s";
const MICROS: &str = "µs";
const MILLIS: &str = "ms";
const SECONDS: &str = "s";
const RATIO: &str = "ratio";
const INSTRUCTIONS: &str = "instructions/request";
const ROWS_A_SECOND: &str = "certificates/s";

/// All rows, in the order in which they are shown.
pub(super) const ROWS: &[Row] = &[
    row(Part::Serving, "renewal_info", REQUESTS, "offpeak"),
    row(
        Part::Serving,
        "nginx_return",
        REQUESTS,
        "nginx `return 200`, same headers and body size",
    ),
    row(
        Part::Serving,
        "renewal_info_to_nginx",
        RATIO,
        "offpeak ÷ nginx",
    )
    .to("nginx_return")
    .at_least(0.8),
    row(
        Part::Serving,
        "renewal_info_to_nginx_by_cpu",
        RATIO,
        "the same, each by the processor time it used",
    )
    .to("nginx_return"),
    row(
        Part::Serving,
        "renewal_info_p50",
        MICROS,
        "offpeak at half of its maximum rate: p50",
    ),
    row(Part::Serving, "renewal_info_p99", MICROS, "… p99"),
    row(Part::Serving, "renewal_info_p999", MICROS, "… p99.9"),
    row(
        Part::Serving,
        "nginx_return_p50",
        MICROS,
        "nginx at half of its maximum rate: p50",
    ),
    row(Part::Serving, "nginx_return_p99", MICROS, "… p99 of nginx"),
    row(
        Part::Serving,
        "nginx_return_p999",
        MICROS,
        "… p99.9 of nginx",
    ),
    row(
        Part::Serving,
        "renewal_info_p99_to_nginx",
        RATIO,
        "p99, offpeak ÷ nginx",
    )
    .to("nginx_return_p99")
    .at_most(1.5),
    row(Part::Ranking, "ranking", REQUESTS, "offpeak's ranking.json"),
    row(
        Part::Ranking,
        "nginx_file",
        REQUESTS,
        "nginx, the same file and headers, from its cache of open files",
    ),
    row(
        Part::Ranking,
        "ranking_to_nginx",
        RATIO,
        "ranking.json, offpeak ÷ nginx",
    )
    .to("nginx_file")
    .at_least(1.2),
    row(
        Part::Ranking,
        "ranking_to_nginx_by_cpu",
        RATIO,
        "ranking.json, each by the processor time it used",
    )
    .to("nginx_file"),
    row(
        Part::Instructions,
        "renewal_info_instructions",
        INSTRUCTIONS,
        "offpeak, renewalInfo",
    )
    .at_most(14_000.0),
    row(
        Part::Instructions,
        "nginx_return_instructions",
        INSTRUCTIONS,
        "nginx `return`",
    ),
    row(
        Part::Instructions,
        "nginx_file_instructions",
        INSTRUCTIONS,
        "nginx, a static file",
    ),
    row(
        Part::Flood,
        "flood_unknown",
        REQUESTS,
        "unknown CertIDs answered with 404",
    ),
    row(
        Part::Flood,
        "flood_busy",
        REQUESTS,
        "unknown CertIDs answered with 503",
    ),
    row(
        Part::Flood,
        "flood_valid_p99",
        MILLIS,
        "p99 of the valid ones beside them",
    )
    .below(10.0),
    row(
        Part::Flood,
        "flood_memory",
        RATIO,
        "resident memory at the end ÷ after a third",
    )
    .at_most(1.05),
    row(
        Part::Flood,
        "flood_queries",
        "queries/request",
        "SQL queries for each unknown CertID",
    )
    .at_most(1.0),
    row(
        Part::Restart,
        "memory_per_certificate",
        "octets",
        "resident memory of the whole service ÷ certificates",
    ),
    row(
        Part::Restart,
        "restart_without_snapshot",
        SECONDS,
        "from the start to the first answer, from the store alone",
    )
    .at_most(30.0),
    row(
        Part::Restart,
        "restart_with_snapshot",
        SECONDS,
        "… with what the last run left",
    )
    .at_most(3.0),
    row(
        Part::Index,
        "index_memory_1e7",
        "octets/certificate",
        "memory for each of 10^7",
    )
    .at_most(32.0),
    row(
        Part::Index,
        "index_memory_1e8",
        "octets/certificate",
        "memory for each of 10^8",
    )
    .at_most(32.0),
    row(Part::Index, "requests_1e5", REQUESTS, "requests at 10^5"),
    row(Part::Index, "requests_1e8", REQUESTS, "requests at 10^8"),
    row(
        Part::Index,
        "requests_1e8_to_1e5",
        RATIO,
        "requests at 10^8 ÷ at 10^5",
    )
    .to("requests_1e5")
    .at_least(0.75),
    row(
        Part::Import,
        "sqlite_import",
        ROWS_A_SECOND,
        "CSV into SQLite, offpeak",
    ),
    row(
        Part::Import,
        "sqlite_import_memory",
        "MB",
        "the most memory that this took",
    ),
    row(
        Part::Import,
        "sqlite_loader",
        ROWS_A_SECOND,
        "`sqlite3 .import` of the same rows",
    ),
    row(
        Part::Import,
        "sqlite_import_to_loader",
        RATIO,
        "CSV into SQLite, offpeak ÷ `sqlite3 .import`",
    )
    .to("sqlite_loader")
    .at_least(0.7),
    row(
        Part::Import,
        "postgres_import",
        ROWS_A_SECOND,
        "CSV into PostgreSQL, the first time",
    ),
    row(
        Part::Import,
        "postgres_repeated",
        ROWS_A_SECOND,
        "the same certificates again",
    ),
    row(
        Part::Import,
        "postgres_copy",
        ROWS_A_SECOND,
        "`COPY` of the same rows",
    ),
    row(
        Part::Import,
        "postgres_import_to_copy",
        RATIO,
        "CSV into PostgreSQL, the first time ÷ `COPY`",
    )
    .to("postgres_copy")
    .at_least(0.7),
    row(
        Part::Import,
        "postgres_repeated_to_copy",
        RATIO,
        "again ÷ `COPY`",
    )
    .to("postgres_copy")
    .at_least(0.35),
    row(
        Part::Import,
        "pem_parsed",
        "certificates/s/core",
        "PEM through parsing",
    )
    .at_least(100_000.0),
    row(
        Part::Posts,
        "post_p99_sqlite",
        MILLIS,
        "SQLite: p99 of a single POST, durable",
    )
    .below(50.0),
    row(
        Part::Posts,
        "post_p99_postgres",
        MILLIS,
        "PostgreSQL: p99 of a single POST, durable",
    )
    .below(50.0),
    row(
        Part::Allocation,
        "windows_drawn",
        "windows/s/core",
        "hash, draw and booking in the ledger",
    )
    .at_least(1_000_000.0),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_have_names_and_meanings_of_their_own_and_ratios_are_to_rows() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.name).collect();
        let meanings: HashSet<_> = ROWS.iter().map(|row| row.meaning).collect();
        assert_eq!((names.len(), meanings.len()), (ROWS.len(), ROWS.len()));
        for row in ROWS {
            assert!(row.ratio_to.is_none_or(|other| names.contains(other)));
            assert!(row.unit != RATIO || row.name == "flood_memory" || row.ratio_to.is_some());
        }
    }

    #[test]
    fn targets_hold_at_their_edges() {
        assert_eq!(Target::AtLeast(1.0).is_met_by(1.0), Some(true));
        assert_eq!(Target::AtMost(1.0).is_met_by(1.0), Some(true));
        assert_eq!(Target::Below(1.0).is_met_by(1.0), Some(false));
        assert_eq!(Target::Free.is_met_by(1.0), None);
    }
}
