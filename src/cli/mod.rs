//! The command line: one file per subcommand.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::telemetry;

use causes::one_line;

mod advise;
mod best_time;
mod ca;
mod causes;
mod certid;
mod check_config;
mod completions;
mod ct;
mod demo;
mod demo_load;
mod exit;
mod explain;
mod fetch;
mod forget;
mod gateway;
mod given;
mod global;
mod import;
mod import_summary;
mod incident;
mod input;
mod listeners;
mod migrate;
mod model;
mod output;
mod paths;
mod plan;
mod plan_fleet;
mod plan_print;
mod plan_server;
mod probe;
mod publish;
mod published;
mod ranking;
mod rebalance;
mod reconcile;
mod record_report;
mod report;
mod running;
mod runtimes;
mod serve;
pub mod simulate;
mod status;
mod status_server;
mod token;
mod usage;
mod verify;

pub use exit::Exit;
pub use global::{Global, InvalidConfig};
pub use output::Output;
pub use runtimes::block_on;
pub use usage::UsageError;

#[derive(Debug, Parser)]
#[command(version, about)]
#[command(after_help = "Example, everything on a database in memory:
  offpeak demo

Exit codes: 0 done, 1 stopped by an error, 2 usage, 3 done with rejections.
OFFPEAK_ADMIN_TOKEN holds a token with every scope, OFFPEAK_LOG what is logged, such as `info` or `offpeak=debug`.")]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Advise(advise::AdviseArgs),
    BestTime(best_time::BestTimeArgs),
    Ca(ca::CaArgs),
    Certid(certid::CertidArgs),
    CheckConfig(check_config::CheckConfig),
    Completions(completions::CompletionsArgs),
    Ct(ct::CtArgs),
    Demo(demo::Demo),
    Explain(explain::Explain),
    Forget(forget::ForgetArgs),
    Gateway(gateway::GatewayArgs),
    Import(import::ImportArgs),
    Incident(incident::Incidents),
    Manual(completions::ManualArgs),
    Migrate(migrate::Migrate),
    Model(model::ModelArgs),
    Plan(plan::PlanArgs),
    Probe(probe::ProbeArgs),
    Publish(publish::PublishArgs),
    Ranking(ranking::RankingArgs),
    Rebalance(rebalance::RebalanceArgs),
    Reconcile(reconcile::ReconcileArgs),
    Report(report::ReportArgs),
    Serve(serve::Serve),
    Simulate(simulate::Simulate),
    Status(status::StatusArgs),
    Token(token::Tokens),
    Verify(verify::VerifyArgs),
}

impl Command {
    fn run(self, global: &Global) -> anyhow::Result<Exit> {
        let output = &mut Output::standard();
        match self {
            Self::Advise(command) => block_on(command.run(global, output)),
            Self::BestTime(command) => block_on(command.run(global, output)),
            Self::Ca(command) => ca::run(&command, output),
            Self::Certid(command) => certid::run(&command, output),
            Self::CheckConfig(command) => command.run(global, output),
            Self::Completions(command) => command.run(CommandLine::command(), output),
            Self::Ct(command) => command.run(output),
            Self::Demo(command) => command.run(global, output),
            Self::Explain(command) => {
                block_on(async { command.run(&*global.engine().await?, output).await })
            }
            Self::Forget(command) => {
                block_on(async { forget::run(command, &*global.engine().await?, output).await })
            }
            Self::Gateway(command) => command.run(global, output),
            Self::Import(command) => {
                block_on(async { import::run(command, &*global.engine().await?, output).await })
            }
            Self::Incident(command) => {
                block_on(async { command.run(&*global.engine().await?, output).await })
            }
            Self::Manual(command) => command.run(CommandLine::command(), output),
            Self::Migrate(command) => block_on(command.run(global, output)),
            Self::Model(command) => block_on(command.run(global, output)),
            Self::Plan(command) => block_on(command.run(global, output)),
            Self::Probe(command) => block_on(command.run(output)),
            Self::Publish(command) => {
                block_on(async { command.run(&*global.engine().await?, output).await })
            }
            Self::Ranking(command) => block_on(command.run(global, output)),
            Self::Rebalance(command) => {
                block_on(async { command.run(&*global.engine().await?, output).await })
            }
            Self::Reconcile(command) => {
                block_on(async { command.run(&*global.engine().await?, output).await })
            }
            Self::Report(command) => block_on(command.run(global, output)),
            Self::Serve(command) => command.run(global, output),
            Self::Simulate(command) => command.run(output, crate::simulate::run),
            Self::Status(command) => block_on(command.run(global, output)),
            Self::Token(command) => command.run(output),
            Self::Verify(command) => block_on(command.run(output)),
        }
    }
}

/// Parses the command line, runs the command, and prints its error to standard error.
#[must_use]
pub fn main() -> ExitCode {
    match CommandLine::try_parse() {
        Ok(CommandLine { global, command }) => {
            let usual = match command {
                Command::Demo(_) => telemetry::OF_DEMO,
                _ => telemetry::USUAL,
            };
            let ended = telemetry::log_to_stderr(global.log_format, usual)
                .map_err(|error| UsageError(error.to_string()).into())
                .and_then(|()| command.run(&global));
            code_of(ended)
        }
        // Help and version are also returned as errors, with code 0. If they cannot be printed,
        // nobody can be told.
        Err(answer) => {
            let _ = answer.print();
            u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn code_of(ended: anyhow::Result<Exit>) -> ExitCode {
    match ended {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::DoneWithRejections) => ExitCode::from(3),
        Err(error) if output::ReaderGone::stopped(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed too, the exit code shows it.
            let _ = writeln!(std::io::stderr(), "{}", ErrorReport(&error));
            if error.is::<UsageError>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// An error as printed: all causes on one line; for a configuration, one line for each error.
struct ErrorReport<'e>(&'e anyhow::Error);

impl fmt::Display for ErrorReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(invalid) = self.0.downcast_ref::<InvalidConfig>() else {
            return write!(f, "offpeak: {}", one_line(self.0));
        };
        let errors = match invalid.errors.len() {
            1 => "1 error".to_owned(),
            count => format!("{count} errors"),
        };
        let file = invalid.file.display();
        write!(f, "offpeak: {file} has {errors}\n{invalid}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong_with_the_command_line() {
        CommandLine::command().debug_assert();
    }

    /// All commands except clap's own, with their full names.
    fn all(command: &clap::Command, above: &str, found: &mut Vec<(String, clap::Command)>) {
        let name = format!("{above} {}", command.get_name());
        for inner in command.get_subcommands() {
            all(inner, &name, found);
        }
        found.push((name, command.clone()));
    }

    fn commands() -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        let mut root = CommandLine::command();
        root.build();
        all(&root, "", &mut found);
        found.retain(|(name, _)| !name.split(' ').any(|word| word == "help"));
        found
    }

    #[test]
    fn each_help_has_an_example() {
        let found = commands();
        assert!(found.len() > 15, "{}", found.len());
        for (name, mut command) in found {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{name}");
            let called = name.trim_start().split(' ').nth(1).unwrap_or("offpeak");
            let example = help.split("Example").last().unwrap_or_default();
            assert!(example.contains(called), "{name}: {example}");
        }
    }

    #[test]
    fn a_path_that_is_read_may_be_standard_input() {
        let mut paths = 0;
        for (name, command) in commands() {
            for argument in command.get_positionals() {
                let value = argument.get_value_names().unwrap_or_default();
                let reads = value.iter().any(|value| {
                    ["FILE", "PATH", "SCENARIO"]
                        .iter()
                        .any(|path| value.contains(path))
                });
                if reads {
                    let help = argument.get_help().map(ToString::to_string);
                    let help = help.unwrap_or_default();
                    assert!(help.contains("`-`"), "{name}: {help}");
                    paths += 1;
                }
            }
        }
        assert!(paths > 3, "{paths}");
    }

    #[test]
    fn a_result_may_be_had_as_json() {
        // Three serve, and print only where; two write files for other programs.
        const WITHOUT: [&str; 5] = ["completions", "demo", "gateway", "manual", "serve"];
        // Commands with subcommands print nothing themselves; the options belong to their
        // subcommands.
        let found = commands().into_iter();
        for (name, command) in found.filter(|(_, command)| !command.has_subcommands()) {
            let prints = !WITHOUT.contains(&command.get_name());
            let has_it = command
                .get_arguments()
                .any(|argument| argument.get_long() == Some("json"));
            assert_eq!(has_it, prints, "{name}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the query failed: {source}")]
    struct SaysItsCause {
        source: std::io::Error,
    }

    #[test]
    fn a_cause_is_reported_once() {
        let source = std::io::Error::other("disk full");
        let error = anyhow::Error::new(SaysItsCause { source }).context("outer");
        let text = ErrorReport(&error).to_string();
        assert_eq!(text, "offpeak: outer: the query failed: disk full");
    }

    #[test]
    fn an_error_is_printed_on_one_line_with_its_causes() {
        let error = anyhow::anyhow!("inner")
            .context("in the\nmiddle")
            .context("outer");
        assert_eq!(
            ErrorReport(&error).to_string(),
            "offpeak: outer: in the middle: inner"
        );
    }
}
