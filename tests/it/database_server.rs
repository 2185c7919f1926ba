//! A PostgreSQL server of a test's own, which may be stopped, killed and started again.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::tools::{provided, run};

/// Recovery of a few megabytes takes a second or so; beside a full test run, more.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// The server; killed and deleted with this.
#[derive(Debug)]
pub(crate) struct DatabaseServer {
    programs: PathBuf,
    account: Option<Account>,
    directory: TempDir,
    process: Option<Child>,
}

/// Whom PostgreSQL runs as where we are root, since it refuses to run as that.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl DatabaseServer {
    /// A new one, which listens on a Unix socket alone: there is no port that somebody else could
    /// take while it is down. `None` where no PostgreSQL is installed.
    pub(crate) async fn start() -> Option<Self> {
        let programs = PathBuf::from(provided("OFFPEAK_TEST_POSTGRES_BIN")?);
        // Not TMPDIR: the path of a Unix socket has a hundred characters at most, and another
        // account has to reach it.
        let directory = TempDir::new_in("/tmp").expect("a temporary directory");
        let account = Account::for_postgres();
        if let Some(Account { user, group }) = account {
            chown(directory.path(), Some(user), Some(group)).expect("we are root");
        }
        let mut server = Self {
            programs,
            account,
            directory,
            process: None,
        };
        let data = server.data();
        run(server
            .command("initdb")
            .args(["--username", "postgres", "--auth", "trust", "--no-sync"])
            .args(["--encoding", "UTF8", "--locale", "C", "--pgdata"])
            .arg(data));
        server.start_again().await;
        Some(server)
    }

    /// The URL of its database.
    pub(crate) fn url(&self) -> String {
        let directory = self.directory.path().display();
        format!("postgres://postgres@localhost/postgres?host={directory}")
    }

    /// The Unix socket that it listens on.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join(".s.PGSQL.5432")
    }

    /// Starts it after it has ended, and waits until it answers.
    pub(crate) async fn start_again(&mut self) {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if self.has_ended() {
                self.process = Some(self.spawn());
            }
            if let Ok(connection) = PgConnection::connect(&self.url()).await {
                let _ = connection.close().await;
                return;
            }
            assert!(Instant::now() < deadline, "{}", self.log());
            // After a kill the processes that it left end by themselves; until they have, the next
            // one gives up at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops all its processes without a word: connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) {
        // The first one first, so that it starts no further ones.
        self.signal_all("STOP");
    }

    /// Lets a frozen one go on.
    pub(crate) fn thaw(&self) {
        self.signal_all("CONT");
    }

    /// Ends it as the kernel does when memory is short, in the middle of everything.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself; either way it is gone after the wait.
            let _ = process.kill();
            process.wait().expect("it was started here");
        }
    }

    /// Ends it as `pg_ctl stop --mode immediate` does: its clients are told.
    pub(crate) fn shut_down_at_once(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal("QUIT", process.id());
            process.wait().expect("it was started here");
        }
    }

    /// Seconds of processor that its processes have used so far, those included that have ended.
    pub(crate) fn processor_seconds(&self) -> f64 {
        /// Clock ticks a second, as Linux counts for programs (`USER_HZ`).
        const TICKS: f64 = 100.0;
        let first = self.process.as_ref().expect("it runs").id();
        let of = |process: u32, fields: std::ops::Range<usize>| -> f64 {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // The name may hold blanks; after it comes the third field.
            let fields_from_third = stat.rsplit(") ").next().unwrap_or_default();
            let ticks = fields_from_third.split(' ').skip(fields.start - 3);
            let ticks = ticks.take(fields.len());
            ticks.filter_map(|text| text.parse::<f64>().ok()).sum()
        };
        // Its own time and that of the children that it has waited for: fields 14 to 17.
        let children = children(first).into_iter().map(|child| of(child, 14..18));
        (of(first, 14..18) + children.sum::<f64>()) / TICKS
    }

    fn spawn(&self) -> Child {
        let directory = self.directory.path();
        self.command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=", "-c", "max_connections=200"])
            .args(["-c", "shared_preload_libraries=pg_stat_statements", "-k"])
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.join("log")).expect("a log"))
            .spawn()
            .expect("postgres starts")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir("/");
        if let Some(Account { user, group }) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn has_ended(&mut self) -> bool {
        self.process
            .as_mut()
            .is_none_or(|process| process.try_wait().expect("it was started here").is_some())
    }

    fn signal_all(&self, name: &str) {
        let first = self.process.as_ref().expect("it runs").id();
        signal(name, first);
        for child in children(first) {
            signal(name, child);
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        if self.process.is_some() {
            // A frozen process takes no other signal than the one that kills.
            self.thaw();
            self.kill();
        }
    }
}

impl Account {
    fn for_postgres() -> Option<Self> {
        let id = |arguments: &[&str]| -> u32 {
            let printed = run(Command::new("id").args(arguments));
            printed.trim().parse().expect("a number")
        };
        (id(&["-u"]) == 0).then(|| Self {
            user: id(&["-u", "postgres"]),
            group: id(&["-g", "postgres"]),
        })
    }
}

/// Sends a signal to a process that was started here, or by one that was.
fn signal(name: &str, process: u32) {
    let process = process.to_string();
    let kill = format!("kill -{name} {process}");
    // A backend may have ended meanwhile.
    let _ = Command::new("sh")
        .args(["-c", &kill])
        .stderr(Stdio::null())
        .status();
}

/// The processes that this one has started.
fn children(parent: u32) -> Vec<u32> {
    let of = format!("/proc/{parent}/task/{parent}/children");
    std::fs::read_to_string(Path::new(&of))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|process| process.parse().ok())
        .collect()
}
