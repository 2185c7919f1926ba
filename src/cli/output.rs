//! Standard output. If its reader closes it, the command ends quietly.

use std::fmt;
use std::io::{self, ErrorKind, Stdout, Write};

/// The output of a command, written with `writeln!`; errors are returned by the caller.
#[derive(Debug)]
pub struct Output<W: Write = Stdout>(W);

/// Nobody reads the output any more, as with `| head -1`. That is not an error, but there is no
/// reason to continue.
#[derive(Debug)]
pub(super) struct ReaderGone;

/// For commands that do more than print, and continue when nobody reads.
///
/// # Errors
/// Printing failed for another reason.
pub(super) fn printed(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

impl Output {
    /// Standard output with line buffering.
    #[must_use]
    pub fn standard() -> Self {
        Self(io::stdout())
    }
}

impl<W: Write> Output<W> {
    fn ended_by_reader<T>(result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderGone),
            _ => error,
        })
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::ended_by_reader(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::ended_by_reader(self.0.flush())
    }
}

impl ReaderGone {
    /// Whether a command was stopped by this. A broken pipe elsewhere, such as in a database
    /// connection, is an ordinary error.
    pub(super) fn stopped(error: &anyhow::Error) -> bool {
        error
            .chain()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .filter_map(io::Error::get_ref)
            .any(<dyn std::error::Error + Send + Sync>::is::<Self>)
    }
}

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output")
    }
}

impl std::error::Error for ReaderGone {}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_output_is_distinguished_from_a_broken_connection() {
        let gone = writeln!(Output(Broken), "x").context("printing");
        assert!(ReaderGone::stopped(&gone.unwrap_err()));
        let broken = writeln!(Broken, "x").context("asking the database");
        assert!(!ReaderGone::stopped(&broken.unwrap_err()));
    }
}
