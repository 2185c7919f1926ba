//! A database of its own for each test.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::PgConnectOptions;
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
    admin: PgConnectOptions,
    name: String,
    url: String,
}

/// Where a new SQLite file may be made.
pub(crate) fn fresh_sqlite() -> FreshSqlite {
    FreshSqlite {
        directory: tempfile::tempdir().unwrap(),
    }
}

/// A file system of its own, as small as is wanted; unmounted with the guard.
#[derive(Debug)]
pub(crate) struct Disk {
    directory: TempDir,
}

impl Disk {
    /// Mounts one; `None`, said aloud, where that is not allowed.
    pub(crate) fn of(octets: u64) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={octets}"), "tmpfs"])
            .arg(directory.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { directory });
        }
        println!("skipped: no file system can be mounted here");
        None
    }

    /// The URL of a database on it.
    pub(crate) fn url(&self) -> String {
        let path = self.directory.path().join("offpeak.db");
        format!("sqlite:{}", path.display())
    }

    /// Fills it to the last octet.
    pub(crate) fn fill(&self) {
        let mut filler = File::options()
            .append(true)
            .create(true)
            .open(self.directory.path().join("filler"))
            .unwrap();
        for octets in [1 << 20, 1 << 10, 1] {
            while filler.write_all(&vec![0; octets]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.directory.path().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // At once from everybody's sight; it is gone when nobody has a file of it open any more.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.directory.path())
            .status();
    }
}

/// Where the PostgreSQL itself is, whether this URL leads to it or to a pooler before it.
pub(crate) fn behind(url: &str) -> PgConnectOptions {
    let direct = url
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("direct="));
    let Some((host, port)) = direct.and_then(|direct| direct.rsplit_once(':')) else {
        return url.parse().unwrap();
    };
    // The pooler's socket gives way to the host.
    let options: PgConnectOptions = url.split('?').next().unwrap().parse().unwrap();
    options.host(host).port(port.parse().unwrap())
}

/// A connection to the PostgreSQL at this URL, and not to a pooler before it.
pub(crate) async fn open_connection(url: &str) -> PgConnection {
    PgConnection::connect_with(&behind(url)).await.unwrap()
}

/// A new, empty database on the server that `OFFPEAK_TEST_POSTGRES` names, or behind the pooler that it
/// names, with `direct=HOST:PORT`; `None` without it.
pub(crate) async fn fresh_postgres() -> Option<FreshPostgres> {
    let admin = provided("OFFPEAK_TEST_POSTGRES")?;
    let name = format!(
        "offpeak_test_{}_{}_{:08x}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        rand::random::<u32>(),
    );
    let mut connection = open_connection(&admin).await;
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let options: PgConnectOptions = admin.parse().unwrap();
    let mut url = options.database(&name).to_url_lossy().to_string();
    if let Some((_, direct)) = admin.split_once("direct=") {
        let sign = if url.contains('?') { '&' } else { '?' };
        let _ = write!(url, "{sign}direct={direct}");
    }
    let admin = behind(&admin);
    Some(FreshPostgres { admin, name, url })
}

/// A database of either kind.
#[derive(Debug)]
pub(crate) enum Database {
    Postgres(Box<FreshPostgres>),
    Sqlite(FreshSqlite),
}

/// A new, empty database of each kind there is.
pub(crate) async fn databases() -> Vec<Database> {
    let postgres = fresh_postgres().await;
    let postgres = postgres.map(|fresh| Database::Postgres(Box::new(fresh)));
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
        format!("sqlite:{}", self.path().display())
    }

    /// Its file.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("offpeak.db")
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
                    let mut connection = PgConnection::connect_with(&admin).await?;
                    sqlx::query(drop).execute(&mut connection).await?;
                    connection.close().await?;
                    Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
                })
        });
        let _ = dropping.join();
    }
}
