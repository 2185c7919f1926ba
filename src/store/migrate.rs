//! Migrations: SQL files in the binary, with the same numbers and names for both databases.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection as _, PgConnection, SqlSafeStr as _, SqliteConnection};

use super::error::StoreError;

/// All migrations, in the order in which they are applied. They are listed by hand because
/// `sqlx::migrate!` builds both drivers for the compiler, with the C code of SQLite and the TLS
/// library, a second time.
const FILES: [File; 12] = [
    File {
        version: 1,
        description: "initial",
        postgres: include_str!("../../migrations/postgres/0001_initial.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_initial.sql"),
    },
    File {
        version: 2,
        description: "gateway",
        postgres: include_str!("../../migrations/postgres/0002_gateway.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_gateway.sql"),
    },
    File {
        version: 3,
        description: "outbox",
        postgres: include_str!("../../migrations/postgres/0003_outbox.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_outbox.sql"),
    },
    File {
        version: 4,
        description: "sources",
        postgres: include_str!("../../migrations/postgres/0004_sources.sql"),
        sqlite: include_str!("../../migrations/sqlite/0004_sources.sql"),
    },
    File {
        version: 5,
        description: "planned",
        postgres: include_str!("../../migrations/postgres/0005_planned.sql"),
        sqlite: include_str!("../../migrations/sqlite/0005_planned.sql"),
    },
    File {
        version: 6,
        description: "delivery",
        postgres: include_str!("../../migrations/postgres/0006_delivery.sql"),
        sqlite: include_str!("../../migrations/sqlite/0006_delivery.sql"),
    },
    File {
        version: 7,
        description: "failures",
        postgres: include_str!("../../migrations/postgres/0007_failures.sql"),
        sqlite: include_str!("../../migrations/sqlite/0007_failures.sql"),
    },
    File {
        version: 8,
        description: "exports",
        postgres: include_str!("../../migrations/postgres/0008_exports.sql"),
        sqlite: include_str!("../../migrations/sqlite/0008_exports.sql"),
    },
    File {
        version: 9,
        description: "dimension",
        postgres: include_str!("../../migrations/postgres/0009_dimension.sql"),
        sqlite: include_str!("../../migrations/sqlite/0009_dimension.sql"),
    },
    File {
        version: 10,
        description: "replicas",
        postgres: include_str!("../../migrations/postgres/0010_replicas.sql"),
        sqlite: include_str!("../../migrations/sqlite/0010_replicas.sql"),
    },
    File {
        version: 11,
        description: "names",
        postgres: include_str!("../../migrations/postgres/0011_names.sql"),
        sqlite: include_str!("../../migrations/sqlite/0011_names.sql"),
    },
    File {
        version: 12,
        description: "tellers",
        postgres: include_str!("../../migrations/postgres/0012_tellers.sql"),
        sqlite: include_str!("../../migrations/sqlite/0012_tellers.sql"),
    },
];

static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(|file| file.postgres));
static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(|file| file.sqlite));

/// Drops what lets an earlier version run at the same time as this one.
const FINISH: &str = include_str!("postgres/finish.sql");

/// The table in which the driver records the applied migrations.
const APPLIED: &str = "_sqlx_migrations";

/// A migration, with its statements for each database.
struct File {
    version: i64,
    description: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

/// What to do about pending migrations. An empty database is always migrated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Migrations {
    /// Apply them.
    Apply,
    /// Refuse a PostgreSQL with pending migrations, and list their names. SQLite is always migrated.
    RefusePending,
}

/// The names of all migrations.
pub(super) fn all() -> Vec<String> {
    SQLITE.iter().map(name).collect()
}

/// Migrates an SQLite file in one transaction, which begins before the first check: two processes may
/// open a new file at the same moment.
pub(super) async fn sqlite(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(driver)?;
    sqlite_pending(&mut transaction).await?;
    SQLITE
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(driver)
}

/// The migrations that are not applied to an SQLite file.
pub(super) async fn sqlite_pending(
    connection: &mut SqliteConnection,
) -> Result<Vec<String>, StoreError> {
    let known: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(driver)?;
    unapplied(&SQLITE, &applied(known, connection).await?)
}

/// Migrates a PostgreSQL database, or refuses to. The check for pending migrations has to end within
/// `at_most`; otherwise the database is unavailable. Applying them may take longer.
pub(super) async fn postgres(
    connection: &mut PgConnection,
    migrations: Migrations,
    at_most: Duration,
) -> Result<(), StoreError> {
    let look = async {
        let is_current = postgres_pending(connection).await?.is_empty();
        if is_current {
            // Nothing is applied here: this finds migrations that were changed or interrupted.
            let check = POSTGRES.run_direct(None, &mut *connection, false);
            check.await.map_err(failed)?;
        }
        Ok::<_, StoreError>(is_current)
    };
    let looked = tokio::time::timeout(at_most, look).await;
    if looked.map_err(|elapsed| driver(sqlx::Error::Io(elapsed.into())))?? {
        return Ok(());
    }
    // Locked before the second check, because several processes may start on an empty database at the
    // same moment.
    connection.lock().await.map_err(failed)?;
    let pending = postgres_pending(connection).await?;
    let is_empty = !pending.is_empty() && postgres_is_empty(connection).await?;
    if !pending.is_empty() && migrations == Migrations::RefusePending && !is_empty {
        return Err(StoreError::PendingMigrations(pending));
    }
    POSTGRES
        .run_direct(None, &mut *connection, false)
        .await
        .map_err(failed)?;
    if is_empty {
        // No earlier version has run on it, and none can from now on.
        postgres_finish(connection).await?;
    }
    connection.unlock().await.map_err(failed)
}

/// Drops what migrations keep for running processes of an earlier version. One statement at a time: a
/// transaction over several tables could block processes that are serving.
pub(super) async fn postgres_finish(connection: &mut PgConnection) -> Result<(), StoreError> {
    for statement in FINISH.split(';') {
        sqlx::raw_sql(statement)
            .execute(&mut *connection)
            .await
            .map_err(driver)?;
    }
    Ok(())
}

/// The migrations that are not applied to a PostgreSQL database.
pub(super) async fn postgres_pending(
    connection: &mut PgConnection,
) -> Result<Vec<String>, StoreError> {
    let known: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(driver)?;
    unapplied(&POSTGRES, &applied(known, connection).await?)
}

fn migrator(statements: impl Fn(&File) -> &'static str) -> Migrator {
    let migrations = FILES.iter().map(|file| {
        Migration::new(
            file.version,
            Cow::Borrowed(file.description),
            MigrationType::Simple,
            statements(file).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

/// Whether the schema contains nothing apart from what extensions put there.
async fn postgres_is_empty(connection: &mut PgConnection) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT NOT EXISTS (
             SELECT 1 FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace
               AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname <> '_sqlx_migrations'
               AND NOT EXISTS (
                   SELECT 1 FROM pg_depend
                   WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
               )
         )",
    )
    .fetch_one(connection)
    .await
    .map_err(driver)
}

/// The applied versions. The table of migrations may not exist yet.
async fn applied(known: bool, connection: &mut impl Migrate) -> Result<Vec<i64>, StoreError> {
    if !known {
        return Ok(Vec::new());
    }
    let migrations = connection.list_applied_migrations(APPLIED).await;
    let migrations = migrations.map_err(failed)?;
    Ok(migrations
        .iter()
        .map(|migration| migration.version)
        .collect())
}

fn unapplied(migrator: &Migrator, applied: &[i64]) -> Result<Vec<String>, StoreError> {
    let binary = migrator
        .iter()
        .map(|known| known.version)
        .max()
        .unwrap_or(0);
    match applied.iter().max() {
        Some(&database) if database > binary => Err(StoreError::Newer { database, binary }),
        _ => Ok(migrator
            .iter()
            .filter(|known| !applied.contains(&known.version))
            .map(name)
            .collect()),
    }
}

/// The file's name without `.sql`.
fn name(migration: &Migration) -> String {
    format!(
        "{:04}_{}",
        migration.version,
        migration.description.replace(' ', "_")
    )
}

fn driver(error: sqlx::Error) -> StoreError {
    StoreError::from_driver("migrate", error)
}

fn failed(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => driver(error),
        error => StoreError::Migration(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_both_folders_are_the_migrations() {
        for (folder, migrator) in [("postgres", &*POSTGRES), ("sqlite", &*SQLITE)] {
            let path = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<_> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            files.sort();
            let names: Vec<_> = migrator.iter().map(name).collect();
            let stems: Vec<_> = files
                .iter()
                .map(|file| file.file_stem().unwrap().to_str().unwrap())
                .collect();
            assert_eq!(stems, names);
            for (file, migration) in files.iter().zip(migrator.iter()) {
                let statements = std::fs::read_to_string(file).unwrap();
                assert_eq!(migration.sql.as_str(), statements, "{}", file.display());
            }
        }
    }

    #[test]
    fn a_database_from_the_future_is_refused() {
        // Numbers may be missing.
        let mut applied: Vec<i64> = SQLITE.iter().map(|migration| migration.version).collect();
        let newest = applied.len();
        applied.push(applied[newest - 1] + 1);
        assert!(matches!(
            unapplied(&SQLITE, &applied),
            Err(StoreError::Newer { .. })
        ));
        assert_eq!(unapplied(&SQLITE, &applied[..newest]).unwrap(), [""; 0]);
        assert_eq!(unapplied(&SQLITE, &[]).unwrap(), all());
    }
}
