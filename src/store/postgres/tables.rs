//! The tables that windows were drawn from.

use sqlx::PgExecutor;
use std::collections::BTreeMap;

use super::PostgresStore;
use super::columns::column;
use crate::domain::allocation::table::StoredTable;
use crate::store::StoreError;

/// When the inserted rows have to be on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Durable {
    /// Once their transaction is committed.
    AtCommit,
    /// Once the next transaction is committed, because syncing the log includes everything before.
    /// Until then the rows may be lost, but nothing depends on them.
    WithTheNext,
}

impl PostgresStore {
    /// Inserts those that are not stored, in one statement, because a step of an import brings
    /// hundreds. They are in the order of their numbers, as everywhere, and each number is inserted
    /// once.
    pub(super) async fn insert_tables(
        &self,
        executor: impl PgExecutor<'_>,
        tables: &[StoredTable],
        durable: Durable,
    ) -> Result<(), StoreError> {
        let mut distinct: BTreeMap<i64, &StoredTable> = BTreeMap::new();
        for table in tables {
            let kept = distinct.entry(table.number).or_insert(table);
            if table.needed_until > kept.needed_until {
                *kept = table;
            }
        }
        if distinct.is_empty() {
            return Ok(());
        }
        let tables: Vec<&StoredTable> = distinct.into_values().collect();
        let insert = sqlx::query(
            "INSERT INTO allocation_tables AS present (number, bytes, needed_until)
             SELECT number, bytes, needed_until
             FROM unnest($1::bigint[], $2::bytea[], $3::bigint[])
                 AS given (number, bytes, needed_until)
             WHERE $4 OR set_config('synchronous_commit', 'off', true) = 'off'
             ON CONFLICT (number) DO UPDATE SET needed_until = excluded.needed_until
             WHERE excluded.needed_until > present.needed_until",
        )
        .bind(column(&tables, |table| table.number))
        .bind(column(&tables, |table| &table.bytes[..]))
        .bind(column(&tables, |table| table.needed_until.unix()))
        .bind(durable == Durable::AtCommit);
        self.queries
            .named("table_insert", insert.execute(executor))
            .await
            .map(drop)
    }
}
