//! `offpeak migrate`: applies migrations, or says which are pending.

use std::io::Write as _;

use clap::Args;

use super::{Exit, Global, Output};
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
    /// Prints a JSON object: pending, the names of the migrations, and whether they were applied
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let database = global.config()?.database;
        let pending = store::pending(&database).await?;
        if self.json {
            if !self.dry_run {
                store::connect(&database, Migrations::Apply).await?;
            }
            let told = serde_json::json!({ "pending": pending, "applied": !self.dry_run });
            writeln!(output, "{told}")?;
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
        Ok(Exit::Done)
    }
}
