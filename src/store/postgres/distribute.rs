//! Distribution of the rows over a PostgreSQL of several servers:
//! `offpeak migrate --distribute citus`.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::store::StoreError;

/// The tables whose rows are distributed over the servers, with the column that decides, and the table
/// whose distribution they share. Each of their unique keys contains the serial. All other tables stay
/// on the coordinator: they are small or, like the outbox, have to be committed together with the rows
/// they describe.
const SPREAD: [(&str, &str, Option<&str>); 4] = [
    ("certificates", "serial", None),
    ("incident_certificates", "serial", Some("certificates")),
    ("gateway_certificates", "serial", Some("certificates")),
    ("polls", "fingerprint", None),
];

/// Refuses where the database has no Citus.
pub(in crate::store) async fn require_citus(
    connection: &mut PgConnection,
) -> Result<(), StoreError> {
    let has_citus: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'create_distributed_table')
            AND to_regclass('pg_dist_partition') IS NOT NULL",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(|error| StoreError::from_driver("distribute", error))?;
    has_citus.then_some(()).ok_or(StoreError::NoCitus)
}

/// Distributes the tables over the servers of Citus. Returns what was done, one line per step. If it is
/// interrupted, it can be run again.
pub(in crate::store) async fn distribute(
    connection: &mut PgConnection,
) -> Result<Vec<String>, StoreError> {
    let failed = |error| StoreError::from_driver("distribute", error);
    // First: what this makes running processes do is correct for tables that are not distributed yet,
    // too.
    sqlx::query("UPDATE feed SET distributed_by = 'citus' WHERE only_row = 1")
        .execute(&mut *connection)
        .await
        .map_err(failed)?;
    let mut done = Vec::new();
    for (table, column, with_table) in SPREAD {
        let is_spread: bool = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT EXISTS (SELECT 1 FROM pg_dist_partition
                            WHERE logicalrelid = '{table}'::regclass AND partmethod = 'h')"
        )))
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
        if is_spread {
            done.push(format!("{table} is distributed already"));
            continue;
        }
        let with = with_table.map_or_else(String::new, |with_table| {
            format!(", colocate_with => '{with_table}'")
        });
        let spread = format!("SELECT create_distributed_table('{table}', '{column}'{with})");
        sqlx::raw_sql(AssertSqlSafe(spread))
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        done.push(match with_table {
            None => format!("{table} is distributed by {column}"),
            Some(with_table) => {
                format!("{table} is distributed by {column}, together with {with_table}")
            }
        });
    }
    done.push("all other tables stay on this server".to_owned());
    Ok(done)
}
