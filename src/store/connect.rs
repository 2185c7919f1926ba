//! Opens a store by its URL.

use std::sync::Arc;

use super::durable::Store;
use super::error::StoreError;
use super::migrate::Migrations;
use super::postgres::PostgresStore;
use super::sqlite::{self, SqliteStore};
use super::{migrate, postgres};

/// The database that a URL is for.
enum Database<'a> {
    Postgres(&'a str),
    Sqlite(sqlite::Location),
}

/// Opens the store at `sqlite:PATH`, `sqlite::memory:` (which lives as long as the handle) or
/// `postgres://…`. An empty database and every SQLite file is migrated; for a PostgreSQL with pending
/// migrations, `migrations` decides.
///
/// # Errors
/// [`StoreError::Url`], [`StoreError::PendingMigrations`], [`StoreError::Newer`], or
/// [`StoreError::Unavailable`] if the database does not answer.
pub async fn connect(url: &str, migrations: Migrations) -> Result<Arc<dyn Store>, StoreError> {
    let store = prepare(url, migrations).await?;
    store.admit().await?;
    Ok(store)
}

/// Like [`connect`], but does not contact a PostgreSQL. Until [`Store::admit`] has connected and
/// checked its schema, all calls return [`StoreError::Unavailable`]. An SQLite file is opened.
///
/// # Errors
/// As for [`connect`]; for a PostgreSQL only [`StoreError::Url`].
pub async fn prepare(url: &str, migrations: Migrations) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match database(url)? {
        Database::Postgres(url) => Arc::new(PostgresStore::at(url, migrations)?),
        Database::Sqlite(location) => Arc::new(SqliteStore::open(&location).await?),
    })
}

/// The names of the migrations that are not applied yet, such as `0001_initial`. Nothing is created.
///
/// # Errors
/// As for [`connect`].
pub async fn pending(url: &str) -> Result<Vec<String>, StoreError> {
    match database(url)? {
        Database::Postgres(url) => {
            let location = postgres::Location::parse(url)?;
            migrate::postgres_pending(&mut postgres::connection(&location.direct).await?).await
        }
        Database::Sqlite(location) => match sqlite::existing(&location).await? {
            Some(mut connection) => migrate::sqlite_pending(&mut connection).await,
            None => Ok(migrate::all()),
        },
    }
}

/// Drops what a PostgreSQL's migrations keep for running processes of earlier versions. Does nothing if
/// that was done before, or for an SQLite file.
///
/// # Errors
/// As for [`connect`]; [`StoreError::PendingMigrations`]; [`StoreError::EarlierVersion`] if such a
/// process is connected.
pub async fn finish(url: &str) -> Result<(), StoreError> {
    let Database::Postgres(url) = database(url)? else {
        return Ok(());
    };
    let location = postgres::Location::parse(url)?;
    let mut connection = postgres::connection(&location.direct).await?;
    let pending = migrate::postgres_pending(&mut connection).await?;
    if !pending.is_empty() {
        return Err(StoreError::PendingMigrations(pending));
    }
    let connections = postgres::earlier_connections(&mut connection).await?;
    if connections > 0 {
        return Err(StoreError::EarlierVersion(connections));
    }
    migrate::postgres_finish(&mut connection).await
}

/// Distributes a PostgreSQL's tables over the servers of Citus, after [`finish`]. Returns what was
/// done, one line per step. Without Citus nothing is changed.
///
/// # Errors
/// Those of [`finish`]; [`StoreError::NoCitus`], [`StoreError::NotDistributable`].
pub async fn distribute(url: &str) -> Result<Vec<String>, StoreError> {
    let Database::Postgres(address) = database(url)? else {
        return Err(StoreError::NotDistributable);
    };
    let location = postgres::Location::parse(address)?;
    let mut connection = postgres::connection(&location.direct).await?;
    postgres::require_citus(&mut connection).await?;
    finish(url).await?;
    let mut done = vec!["dropped what was kept for processes of the version before".to_owned()];
    done.extend(postgres::distribute(&mut connection).await?);
    Ok(done)
}

fn database(url: &str) -> Result<Database<'_>, StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Database::Postgres(url));
    }
    let path = url
        .strip_prefix("sqlite:")
        .ok_or_else(|| StoreError::Url("another scheme".to_owned()))?;
    if path == ":memory:" {
        return Ok(Database::Sqlite(sqlite::Location::Memory));
    }
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('?') {
        return Err(StoreError::Url(
            "sqlite: takes a path and no parameters".to_owned(),
        ));
    }
    Ok(Database::Sqlite(sqlite::Location::File(path.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls() {
        for url in ["postgres://h/d", "postgresql://u@h:1/d?sslmode=require"] {
            assert!(matches!(database(url), Ok(Database::Postgres(u)) if u == url));
        }
        for (url, want) in [
            ("sqlite:offpeak.db", "offpeak.db"),
            ("sqlite:/var/lib/o.db", "/var/lib/o.db"),
            ("sqlite:///var/lib/o.db", "/var/lib/o.db"),
        ] {
            assert!(matches!(
                database(url),
                Ok(Database::Sqlite(sqlite::Location::File(path))) if path.as_os_str() == want
            ));
        }
        for url in [
            "",
            "offpeak.db",
            "mysql://h/d",
            "sqlite:",
            "sqlite://",
            "sqlite:o.db?mode=ro",
        ] {
            assert!(matches!(database(url), Err(StoreError::Url(_))), "{url}");
        }
    }
}
