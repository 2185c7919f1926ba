//! PgBouncer before a PostgreSQL, which hands out its connections by transaction.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::support::behind;
use crate::tools::tool;

/// It starts within tenths of a second; beside a full test run, later.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The account `nobody` of Debian: PgBouncer refuses to run as root.
const NOBODY: u32 = 65_534;
/// Connections to the database: fewer than programs open to the pooler, so that they share them.
const SERVER_CONNECTIONS: u32 = 8;

/// The pooler; ended with this.
#[derive(Debug)]
pub(crate) struct Pooler {
    child: Child,
    _directory: TempDir,
    url: String,
}

impl Pooler {
    /// Before the database at this URL; `None` where no PgBouncer is installed.
    pub(crate) async fn before(url: &str) -> Option<Self> {
        let program = tool("OFFPEAK_TEST_PGBOUNCER")?;
        let database = behind(url);
        // A path of its own that another account may reach, and short enough for a socket.
        let directory = TempDir::new_in("/tmp").unwrap();
        let path = directory.path().display().to_string();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let (host, port) = (database.get_host(), database.get_port());
        let configuration = format!(
            "[databases]
             * = host={host} port={port} user={user}
             [pgbouncer]
             listen_addr =
             listen_port = 6432
             unix_socket_dir = {path}
             auth_type = any
             pool_mode = transaction
             default_pool_size = {SERVER_CONNECTIONS}
             max_client_conn = 1000
             logfile = {path}/log
             ",
            user = database.get_username(),
        )
        .replace("             ", "");
        let file = directory.path().join("pgbouncer.ini");
        std::fs::write(&file, configuration).unwrap();
        let mut command = Command::new(program);
        if std::fs::metadata(&path).unwrap().uid() == 0 {
            chown(&path, Some(NOBODY), None).unwrap();
            command.args(["-u", "nobody"]);
        }
        let child = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let near = database.clone().socket(&path).port(6432);
        let name = database.get_database().unwrap();
        let user = database.get_username();
        let pooler = Self {
            child,
            url: format!(
                "postgres://{user}@localhost:6432/{name}?host={path}&direct={host}:{port}"
            ),
            _directory: directory,
        };
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            match PgConnection::connect_with(&near.clone().extra_float_digits(None)).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Some(pooler);
                }
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The URL of the database through it, with the way to the database itself.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
