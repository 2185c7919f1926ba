//! `offpeak ct`: the cost of reading Certificate Transparency logs, and their content.

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::output::Output;
use super::runtimes::block_on;

mod estimate;
mod logs;
mod tail;

/// Certificate Transparency: what reading logs costs, and what they show
#[derive(Args, Debug)]
#[command(after_help = "Example:
  offpeak ct estimate --contact mailto:ops@example.org --budget 200MB/d")]
pub(super) struct CtArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Estimate(estimate::EstimateArgs),
    Tail(tail::TailArgs),
}

impl CtArgs {
    pub(super) fn run(self, output: &mut Output) -> anyhow::Result<Exit> {
        match self.command {
            Command::Estimate(command) => block_on(command.run(output)),
            Command::Tail(command) => block_on(command.run(output)),
        }
    }
}
