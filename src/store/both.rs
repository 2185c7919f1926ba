//! Code that is the same for both stores: written once, and compiled for each.

use sqlx::query::{Query, QueryAs};
use sqlx::{Database, FromRow};

use super::error::StoreError;

/// Compiles items once for each store. In them, `ThisStore` is the store.
///
/// Both databases accept `$1` as a parameter. If PostgreSQL cannot infer its type from the context,
/// as after SELECT, it is written as `CAST($1 AS bigint)`.
macro_rules! for_both_stores {
    ($($item:item)*) => {
        const _: () = {
            use $crate::store::postgres::PostgresStore as ThisStore;
            $($item)*
        };
        const _: () = {
            use $crate::store::sqlite::SqliteStore as ThisStore;
            $($item)*
        };
    };
}
pub(super) use for_both_stores;

/// The types of a store's database driver.
pub(super) trait SqlTypes {
    /// The kind of database.
    type Database: Database;
    /// The connection on which a statement of a transaction runs.
    type Connection;
    /// A transaction.
    type Transaction;
}

/// A statement for the database of a store.
pub(super) type Statement<'q, S> =
    Query<'q, <S as SqlTypes>::Database, <<S as SqlTypes>::Database as Database>::Arguments>;
/// A statement that returns rows.
pub(super) type Select<'q, S, T> =
    QueryAs<'q, <S as SqlTypes>::Database, T, <<S as SqlTypes>::Database as Database>::Arguments>;
/// A row of a store's database.
type RowOf<S> = <<S as SqlTypes>::Database as Database>::Row;

for_both_stores! {
    impl ThisStore {
        /// Runs a query and returns its rows.
        pub(in crate::store) async fn rows<T>(
            &self,
            name: &'static str,
            select: Select<'_, Self, T>,
        ) -> Result<Vec<T>, StoreError>
        where
            T: for<'r> FromRow<'r, RowOf<Self>> + Send + Unpin,
        {
            self.queries.named(name, select.fetch_all(self.readers())).await
        }

        /// Runs a query and returns its row, if there is one.
        pub(in crate::store) async fn row<T>(
            &self,
            name: &'static str,
            select: Select<'_, Self, T>,
        ) -> Result<Option<T>, StoreError>
        where
            T: for<'r> FromRow<'r, RowOf<Self>> + Send + Unpin,
        {
            self.queries.named(name, select.fetch_optional(self.readers())).await
        }

        /// Runs a statement in a transaction and returns how many rows it changed.
        pub(in crate::store) async fn run_in(
            &self,
            connection: &mut <Self as SqlTypes>::Connection,
            name: &'static str,
            statement: Statement<'_, Self>,
        ) -> Result<u64, StoreError> {
            let done = self.queries.named(name, statement.execute(connection)).await?;
            Ok(done.rows_affected())
        }

        /// Rolls a transaction back.
        pub(in crate::store) async fn rollback(
            &self,
            transaction: <Self as SqlTypes>::Transaction,
        ) -> Result<(), StoreError> {
            self.queries.named("rollback", transaction.rollback()).await
        }

        /// Runs a statement in a transaction and returns its rows.
        pub(in crate::store) async fn rows_in<T>(
            &self,
            connection: &mut <Self as SqlTypes>::Connection,
            name: &'static str,
            statement: Select<'_, Self, T>,
        ) -> Result<Vec<T>, StoreError>
        where
            T: for<'r> FromRow<'r, RowOf<Self>> + Send + Unpin,
        {
            self.queries.named(name, statement.fetch_all(connection)).await
        }

        /// Runs a statement in a transaction and returns its row, if there is one.
        pub(in crate::store) async fn row_in<T>(
            &self,
            connection: &mut <Self as SqlTypes>::Connection,
            name: &'static str,
            statement: Select<'_, Self, T>,
        ) -> Result<Option<T>, StoreError>
        where
            T: for<'r> FromRow<'r, RowOf<Self>> + Send + Unpin,
        {
            self.queries.named(name, statement.fetch_optional(connection)).await
        }
    }
}
