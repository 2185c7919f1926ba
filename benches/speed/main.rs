//! `./bench` runs this: offpeak beside nginx, SQLite's and PostgreSQL's own loaders, and its own
//! limits. `docs/performance.md` says what is measured and how.
#![expect(
    dead_code,
    unused_imports,
    reason = "cargo sets cfg(test) here too, where tests vanish and what they use stays; \
              `tests/it/speed.rs` compiles the same modules without this"
)]

use std::io::Write as _;
use std::process::ExitCode;

mod program;

fn main() -> ExitCode {
    match program::run(std::env::args().skip(1), &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed, the exit code says it.
            let _ = writeln!(std::io::stderr(), "bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
