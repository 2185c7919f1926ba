//! `offpeak migrate`: applies migrations, or says which are pending.

use std::io::Write as _;

use clap::Args;

use super::{Exit, Global, Output};
use crate::store::{self, Migrations};

/// Apply pending migrations to the database, or only say which there are
#[derive(Args, Debug)]
pub(super) struct Migrate {
    /// Apply nothing
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    pub(super) async fn run(self, global: &Global, output: &mut Output) -> anyhow::Result<Exit> {
        let database = global.config()?.database;
        let pending = store::pending(&database).await?;
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
