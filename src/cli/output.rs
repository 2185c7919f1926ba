//! Standard output, where a reader that has gone ends the command quietly.

use std::fmt;
use std::io::{self, ErrorKind, Stdout, Write};

/// What a command prints. `writeln!` to it; an error is for the caller's `?`.
#[derive(Debug)]
pub struct Output<W: Write = Stdout>(W);

/// Nobody reads what we print, as under `| head -1`: no error, but no reason to go on either.
#[derive(Debug)]
pub(super) struct ReaderGone;

/// Printing for commands that do more than print: they go on where nobody reads.
///
/// # Errors
/// Where printing failed for another reason.
pub(super) fn printed(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

impl Output {
    /// Standard output, written line by line.
    #[must_use]
    pub fn standard() -> Self {
        Self(io::stdout())
    }
}

impl<W: Write> Output<W> {
    fn told<T>(result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderGone),
            _ => error,
        })
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::told(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Self::told(self.0.flush())
    }
}

impl ReaderGone {
    /// Whether this is what stopped a command. A pipe that broke elsewhere, such as a database's
    /// connection, is an error like any other.
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
    fn a_reader_that_has_gone_is_told_from_a_connection_that_broke() {
        let gone = writeln!(Output(Broken), "x").context("printing");
        assert!(ReaderGone::stopped(&gone.unwrap_err()));
        let broken = writeln!(Broken, "x").context("asking the database");
        assert!(!ReaderGone::stopped(&broken.unwrap_err()));
    }
}
