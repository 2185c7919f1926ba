//! `offpeak migrate`: applies migrations, or lists pending ones.

use std::io::Write as _;

use clap::Args;

use super::exit::Exit;
use super::global::Global;
use super::output::Output;
use crate::store::{self, Migrations};

/// Apply pending migrations to the database, or only say which there are
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  offpeak migrate --dry-run --database postgres://offpeak@db.example/offpeak"
)]
pub(super) struct Migrate {
    /// Apply nothing
    #[arg(long)]
    dry_run: bool,
    /// Drop what is kept for processes of the previous version, once none of them runs
    #[arg(long, conflicts_with = "dry_run")]
    finish: bool,
    /// Distribute the tables over the servers of this engine; what is kept for the previous version is dropped
    #[arg(long, value_name = "ENGINE", conflicts_with = "dry_run")]
    distribute: Option<Engine>,
    /// Prints a JSON object: pending, the names of the migrations, and whether they were applied, and
    /// whether what is kept for the version before was dropped, and distributed, what was done
    #[arg(long)]
    json: bool,
}

/// What distributes tables.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Engine {
    /// Citus 13.
    Citus,
}

impl Migrate {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let database = global.config()?.database;
        let pending = store::pending(&database).await?;
        if self.json {
            if !self.dry_run {
                store::connect(&database, Migrations::Apply).await?;
            }
            if self.finish {
                store::finish(&database).await?;
            }
            let distributed = match self.distribute {
                None => Vec::new(),
                Some(Engine::Citus) => store::distribute(&database).await?,
            };
            let document = serde_json::json!({
                "pending": pending, "applied": !self.dry_run, "finished": self.finish,
                "distributed": distributed,
            });
            writeln!(output, "{document}")?;
            return Ok(Exit::Done);
        }
        for migration in &pending {
            writeln!(output, "pending {migration}")?;
        }
        if pending.is_empty() {
            writeln!(output, "nothing is pending")?;
        }
        if self.dry_run {
            return Ok(Exit::Done);
        }
        store::connect(&database, Migrations::Apply).await?;
        match pending.len() {
            0 => {}
            1 => writeln!(output, "applied 1 migration")?,
            count => writeln!(output, "applied {count} migrations")?,
        }
        if self.finish {
            store::finish(&database).await?;
            writeln!(
                output,
                "dropped what was kept for processes of the version before"
            )?;
        }
        if let Some(Engine::Citus) = self.distribute {
            for line in store::distribute(&database).await? {
                writeln!(output, "{line}")?;
            }
        }
        Ok(Exit::Done)
    }
}
