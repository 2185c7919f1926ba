//! The `offpeak` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    offpeak::cli::main()
}
