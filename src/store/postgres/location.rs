//! What a database's URL contains: parameters for the driver, and our own.

use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use super::session::Pooling;
use crate::store::StoreError;

/// The application name of connections. Versions without the outbox use `offpeak` alone.
const APPLICATION: &str = concat!("offpeak/", env!("CARGO_PKG_VERSION"));
/// The default size of the pool: with the 100 connections that PostgreSQL allows by default, several
/// replicas fit.
const CONNECTIONS: u32 = 10;
/// The smallest pool: a lease holds one connection while its work uses another, a load holds one for
/// its snapshot, and one is left for everything else.
const FEWEST_CONNECTIONS: u32 = 4;
/// The largest pool; more is beyond what PostgreSQL can handle, and probably a typing error.
const MOST_CONNECTIONS: u32 = 1_000;

/// The address of a database.
#[derive(Clone, Debug)]
pub(in crate::store) struct Location {
    /// For the pool.
    pub(super) pooled: PgConnectOptions,
    /// For LISTEN, and for locks that belong to a session; differs from the pool's if that is behind a
    /// pooler.
    pub(in crate::store) direct: PgConnectOptions,
    /// The kind of the pool's connections.
    pub(super) pooling: Pooling,
    /// The most connections of the pool; one more is used to listen.
    pub(super) connections: u32,
}

impl Location {
    /// Parses `postgres://…`. In addition to the driver's parameters, `connections=10` limits the pool,
    /// and `direct=HOST:PORT` is the address of the database itself if the URL is that of a transaction
    /// pooler.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub(in crate::store) fn parse(url: &str) -> Result<Self, StoreError> {
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut connections = CONNECTIONS;
        let mut direct = None;
        let mut others = Vec::new();
        for parameter in parameters.split('&').filter(|one| !one.is_empty()) {
            match parameter.split_once('=') {
                Some(("connections", value)) => connections = count(value)?,
                Some(("direct", value)) => direct = Some(host_and_port(value)?),
                _ => others.push(parameter),
            }
        }
        let pooled = options(address, &others)?;
        Ok(match direct {
            None => Self {
                direct: pooled.clone(),
                pooled,
                pooling: Pooling::BySession,
                connections,
            },
            Some((host, port)) => {
                // The pooler's address is not the database's.
                others.retain(|one| {
                    !["host=", "hostaddr=", "port="]
                        .iter()
                        .any(|at| one.starts_with(at))
                });
                Self {
                    direct: options(address, &others)?.host(&host).port(port),
                    // A pooler refuses unknown parameters in the startup message.
                    pooled: pooled.extra_float_digits(None),
                    pooling: Pooling::ByTransaction,
                    connections,
                }
            }
        })
    }
}

fn options(address: &str, parameters: &[&str]) -> Result<PgConnectOptions, StoreError> {
    let url = format!("{address}?{}", parameters.join("&"));
    let options =
        PgConnectOptions::from_str(&url).map_err(|error| StoreError::Url(error.to_string()))?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name(APPLICATION),
    })
}

fn count(value: &str) -> Result<u32, StoreError> {
    let among = FEWEST_CONNECTIONS..=MOST_CONNECTIONS;
    value
        .parse()
        .ok()
        .filter(|count| among.contains(count))
        .ok_or_else(|| {
            StoreError::Url(format!(
                "connections is {value}, not a number from {FEWEST_CONNECTIONS} to \
                 {MOST_CONNECTIONS}"
            ))
        })
}

fn host_and_port(value: &str) -> Result<(String, u16), StoreError> {
    let parts = value.rsplit_once(':');
    parts
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(|| StoreError::Url(format!("direct is {value}, not HOST:PORT")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_and_the_database_behind_it_have_separate_addresses() {
        let url = "postgres://u:p@h:6432/d?connections=5&sslmode=disable&direct=g:5433";
        let location = Location::parse(url).unwrap();
        let (pooled, direct) = (&location.pooled, &location.direct);
        assert_eq!((pooled.get_host(), pooled.get_port()), ("h", 6432));
        assert_eq!((direct.get_host(), direct.get_port()), ("g", 5433));
        assert_eq!(direct.get_username(), "u");
        assert_eq!(direct.get_database(), Some("d"));
        assert_eq!(location.connections, 5);
        assert_eq!(location.pooling, Pooling::ByTransaction);

        let location = Location::parse("postgres://u@h/d?application_name=x").unwrap();
        assert_eq!(location.pooling, Pooling::BySession);
        assert_eq!(location.pooled.get_application_name(), Some("x"));
        assert_eq!(location.connections, 10);
    }

    #[test]
    fn what_a_url_cannot_say_is_named() {
        for (url, said) in [
            ("postgres://h/d?connections=1", "connections is 1"),
            ("postgres://h/d?connections=many", "connections is many"),
            ("postgres://h/d?direct=h", "direct is h, not HOST:PORT"),
            ("postgres://h/d?direct=:5432", "direct is :5432"),
        ] {
            let error = Location::parse(url).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
