//! PostgreSQL, as psql reaches it.

use std::process::Command;

use anyhow::Context as _;

use super::process::output_of;

/// A database of our own on the server at `server`, empty.
pub(super) fn database(server: &str, name: &str) -> anyhow::Result<String> {
    sql(
        server,
        &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
    )?;
    sql(server, &format!("CREATE DATABASE {name}"))?;
    let (address, _) = server
        .rsplit_once('/')
        .context("the URL of PostgreSQL ends with a database")?;
    Ok(format!("{address}/{name}"))
}

/// Runs one statement: what it printed, without headings.
pub(super) fn sql(database: &str, statement: &str) -> anyhow::Result<String> {
    output_of(&mut statement_by_psql(database, statement))
}

/// psql with one statement.
pub(super) fn statement_by_psql(database: &str, statement: &str) -> Command {
    let mut command = Command::new("psql");
    command
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args(["--set", "ON_ERROR_STOP=1", "--dbname", database])
        .args(["--command", statement]);
    command
}
