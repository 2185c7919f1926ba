//! A database of another program, from which load is read. Nothing is written to it.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

/// How long a query may take. For an hour of a busy CA, without an index, it takes some seconds.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// How many steps of SQLite's virtual machine pass between two checks of the time: some milliseconds.
const STEPS: i32 = 100_000;
/// The longest value in bytes; a label of an observation has 200.
const MOST_VALUE_OCTETS: usize = 1_000;

/// A query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// One SELECT statement, with `$1` and `$2`.
    pub text: &'a str,
    /// The columns of the result that are used.
    pub columns: &'a [&'a str],
    /// `$1`, in Unix seconds: the first instant that is wanted.
    pub from: i64,
    /// `$2`, in Unix seconds: the end of the wanted span.
    pub to: i64,
    /// The most rows; more are an error.
    pub most_rows: usize,
}

/// Why a query failed. It never contains a password.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// The database refuses the query, or cannot be reached.
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    /// The query takes too long.
    #[error("the query has not been answered within {} s", ANSWERED_WITHIN.as_secs())]
    Slow,
    /// The result has more rows than this.
    #[error("the query gives more than {0} rows for an hour: let it count")]
    TooMany(usize),
}

/// Queries a database, `sqlite:PATH` or `postgres://…`, over its own read-only connection, and passes
/// on each row as texts; NULL becomes the empty text.
///
/// # Errors
/// [`OutsideError`]; some rows may have been passed on before it.
pub async fn ask(
    database: &str,
    query: Query<'_>,
    on_row: &mut (dyn FnMut(&[String]) + Send),
) -> Result<(), OutsideError> {
    let asking = async {
        if database.starts_with("sqlite:") {
            ask_sqlite(database, query, on_row).await
        } else {
            ask_postgres(database, query, on_row).await
        }
    };
    // Dropping the future closes the connection; the server ends the query by the time limit set there.
    tokio::time::timeout(ANSWERED_WITHIN + Duration::from_secs(5), asking)
        .await
        .unwrap_or(Err(OutsideError::Slow))
}

async fn ask_sqlite(
    database: &str,
    query: Query<'_>,
    on_row: &mut (dyn FnMut(&[String]) + Send),
) -> Result<(), OutsideError> {
    let mut connection = SqliteConnectOptions::from_str(database)?
        .read_only(true)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await?;
    let begun = Instant::now();
    connection
        .lock_handle()
        .await?
        .set_progress_handler(STEPS, move || begun.elapsed() < ANSWERED_WITHIN);
    let columns: Vec<String> = query.columns.iter().map(|of| named(of)).collect();
    let text = format!("SELECT {} FROM ({}) AS q", columns.join(", "), query.text);
    let mut rows = sqlx::query(AssertSqlSafe(text))
        .bind(query.from)
        .bind(query.to)
        .fetch(&mut connection);
    let mut count = 0;
    let mut values = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(|error| {
        // SQLite's own message would be "interrupted".
        if begun.elapsed() >= ANSWERED_WITHIN {
            OutsideError::Slow
        } else {
            error.into()
        }
    })? {
        count += 1;
        if count > query.most_rows {
            return Err(OutsideError::TooMany(query.most_rows));
        }
        values.clear();
        for place in 0..query.columns.len() {
            values.push(cut(sqlite_text(&row, place)?));
        }
        on_row(&values);
    }
    drop(rows);
    connection.close().await?;
    Ok(())
}

/// SQLite converts a value of any type to text.
fn sqlite_text(row: &SqliteRow, place: usize) -> Result<String, sqlx::Error> {
    let text: Option<String> = row.try_get_unchecked(place)?;
    Ok(text.unwrap_or_default())
}

async fn ask_postgres(
    database: &str,
    query: Query<'_>,
    on_row: &mut (dyn FnMut(&[String]) + Send),
) -> Result<(), OutsideError> {
    let mut connection = PgConnectOptions::from_str(database)?
        .application_name(concat!("offpeak/", env!("CARGO_PKG_VERSION"), " source"))
        .extra_float_digits(None)
        .connect()
        .await?;
    // All settings are for this transaction only, and statements have no names, because the connection
    // may be a pooler's.
    let begin = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL timezone = 'UTC'",
        ANSWERED_WITHIN.as_millis()
    );
    let mut transaction = connection.begin_with(AssertSqlSafe(begin)).await?;
    // As JSON, which has times in the format of RFC 3339.
    let columns: Vec<String> = query
        .columns
        .iter()
        .map(|of| format!("to_jsonb({}) #>> '{{}}'", named(of)))
        .collect();
    let text = format!("SELECT {} FROM ({}) AS q", columns.join(", "), query.text);
    let mut rows = sqlx::query(AssertSqlSafe(text))
        .persistent(false)
        .bind(query.from)
        .bind(query.to)
        .fetch(&mut *transaction);
    let mut count = 0;
    let mut values = Vec::new();
    while let Some(row) = rows.try_next().await? {
        count += 1;
        if count > query.most_rows {
            return Err(OutsideError::TooMany(query.most_rows));
        }
        values.clear();
        for place in 0..query.columns.len() {
            values.push(cut(postgres_text(&row, place)?));
        }
        on_row(&values);
    }
    drop(rows);
    transaction.rollback().await?;
    connection.close().await?;
    Ok(())
}

fn postgres_text(row: &PgRow, place: usize) -> Result<String, sqlx::Error> {
    let text: Option<String> = row.try_get(place)?;
    Ok(text.unwrap_or_default())
}

/// A column of the query. With the table's alias before it, SQLite cannot take it for a string.
fn named(column: &str) -> String {
    format!("q.\"{}\"", column.replace('"', "\"\""))
}

/// Cuts a long text. A value that is too long is refused later because of its length, so the rest is
/// not needed.
fn cut(mut text: String) -> String {
    if text.len() > MOST_VALUE_OCTETS {
        let end = (0..=MOST_VALUE_OCTETS)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    text
}
