//! A database of its own for each test.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::tools::provided;

/// How many databases this process has made.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// An SQLite file, deleted with the guard.
#[derive(Debug)]
pub(crate) struct FreshSqlite {
    directory: TempDir,
}

/// A PostgreSQL database, dropped with the guard.
#[derive(Debug)]
pub(crate) struct FreshPostgres {
    admin: String,
    name: String,
    url: String,
}

/// Where a new SQLite file may be made.
pub(crate) fn fresh_sqlite() -> FreshSqlite {
    FreshSqlite {
        directory: tempfile::tempdir().unwrap(),
    }
}

/// A new, empty database on the server that `OFFPEAK_TEST_POSTGRES` names; `None` without it.
pub(crate) async fn fresh_postgres() -> Option<FreshPostgres> {
    let admin = provided("OFFPEAK_TEST_POSTGRES")?;
    let name = format!(
        "offpeak_test_{}_{}_{:08x}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        rand::random::<u32>(),
    );
    let mut connection = PgConnection::connect(&admin).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let options: sqlx::postgres::PgConnectOptions = admin.parse().unwrap();
    let url = options.database(&name).to_url_lossy().to_string();
    Some(FreshPostgres { admin, name, url })
}

/// A database of either kind.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(FreshPostgres),
    Sqlite(FreshSqlite),
}

/// A new, empty database of each kind there is.
pub(crate) async fn databases() -> Vec<Database> {
    let postgres = fresh_postgres().await.map(Database::Postgres);
    [Some(Database::Sqlite(fresh_sqlite())), postgres]
        .into_iter()
        .flatten()
        .collect()
}

impl Database {
    /// Its URL.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Postgres(postgres) => postgres.url(),
            Self::Sqlite(sqlite) => sqlite.url(),
        }
    }

    /// Whether several replicas may share it.
    pub(crate) const fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl FreshSqlite {
    /// Its URL.
    pub(crate) fn url(&self) -> String {
        let path = self.directory.path().join("offpeak.db");
        format!("sqlite:{}", path.display())
    }
}

impl FreshPostgres {
    /// Its URL.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for FreshPostgres {
    /// Best effort: a database left behind harms nobody.
    fn drop(&mut self) {
        let admin = self.admin.clone();
        let drop = AssertSqlSafe(format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // A thread of its own: the test's runtime is busy running this.
        let dropping = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(async {
                    let mut connection = PgConnection::connect(&admin).await?;
                    sqlx::query(drop).execute(&mut connection).await?;
                    connection.close().await?;
                    Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
                })
        });
        let _ = dropping.join();
    }
}
