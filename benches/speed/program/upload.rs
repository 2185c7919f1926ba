//! Bodies handed in at the admin listener, piece by piece, so that no large one is held here.

use std::io::{self, BufWriter, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::registry::{self, Columns};
use super::service::TOKEN;

/// Hundreds of thousands of lines are taken in within a minute.
const PATIENCE: Duration = Duration::from_mins(2);
/// A body's pieces.
const PIECE_OCTETS: usize = 64 << 10;

/// What is handed in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upload {
    path: &'static str,
    content_type: &'static str,
    lines: Lines,
}

/// A body's lines.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lines {
    /// A CSV of certificates, from this row of the registry on; issued until this instant.
    Good { from: u64, lines: u64, now: u64 },
    /// NDJSON, each with a CertID that is none, of so many octets each.
    Bad { lines: u64, octets: usize },
    /// A CSV of counts, one for each minute before this instant.
    Counts { lines: u64, until: u64 },
}

impl Upload {
    pub(super) const fn certificates(lines: Lines) -> Self {
        let content_type = match lines {
            Lines::Bad { .. } => "application/x-ndjson",
            Lines::Good { .. } | Lines::Counts { .. } => "text/csv",
        };
        Self {
            path: "/v1/certificates",
            content_type,
            lines,
        }
    }

    pub(super) const fn observations(lines: u64, until: u64) -> Self {
        Self {
            path: "/v1/observations",
            content_type: "text/csv",
            lines: Lines::Counts { lines, until },
        }
    }

    /// Hands it in, and finds fault with an answer that says neither what was taken of it nor that
    /// there is no room just now.
    pub(super) fn taken(&self, admin: SocketAddr) -> anyhow::Result<()> {
        match self.send(admin)? {
            200 | 422 | 503 => Ok(()),
            status => bail!("an upload to {} got {status}", self.path),
        }
    }

    /// Hands it in: the answer's status.
    fn send(&self, admin: SocketAddr) -> anyhow::Result<u16> {
        let mut measure = Measure(0);
        self.lines.write(&mut measure)?;
        let socket = TcpStream::connect(admin)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut writer = BufWriter::with_capacity(PIECE_OCTETS, &socket);
        write!(
            writer,
            "POST {} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nAuthorization: Bearer \
             {TOKEN}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            self.path, self.content_type, measure.0
        )?;
        // Who refuses a body need not read it: what counts is the answer.
        let written = self.lines.write(&mut writer).and_then(|()| writer.flush());
        drop(writer);
        let status = status(&socket);
        match (status, written) {
            (Ok(status), _) => Ok(status),
            (Err(_), Err(error)) => Err(error).context("the body was not taken"),
            (Err(error), Ok(())) => Err(error),
        }
    }
}

impl Lines {
    fn write(self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Good { from, lines, now } => {
                writeln!(out, "{}", registry::header(Columns::IdFirst))?;
                for row in from..from + lines {
                    out.write_all(registry::line(row, Columns::IdFirst, now).as_bytes())?;
                }
            }
            Self::Bad { lines, octets } => {
                let id = "x".repeat(octets);
                for _ in 0..lines {
                    writeln!(out, "{{\"certId\":\"{id}\"}}")?;
                }
            }
            Self::Counts { lines, until } => {
                writeln!(out, "at,kind,count")?;
                for minute in 1..=lines {
                    let at = until - until % 60 - minute * 60;
                    writeln!(out, "{at},attempt,{}", 1 + minute % 1_000)?;
                }
            }
        }
        Ok(())
    }
}

/// Counts what is written.
struct Measure(u64);

impl Write for Measure {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 += u64::try_from(octets.len()).map_err(io::Error::other)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Of an answer, which is read to its end.
fn status(mut socket: &TcpStream) -> anyhow::Result<u16> {
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    match (status, read) {
        (Some(status), _) => Ok(status),
        (None, Err(error)) => Err(error).context("no answer"),
        (None, Ok(_)) => bail!("the connection was closed without an answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: Lines) -> String {
        let mut body = Vec::new();
        lines.write(&mut body).unwrap();
        let mut measure = Measure(0);
        lines.write(&mut measure).unwrap();
        assert_eq!(measure.0, u64::try_from(body.len()).unwrap());
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn bodies_have_as_many_lines_as_is_said_and_no_two_good_ones_are_alike() {
        let (from, lines, now) = (1 << 32, 3, 1_800_000_000);
        let good = body(Lines::Good { from, lines, now });
        let distinct: std::collections::HashSet<_> = good.lines().collect();
        assert_eq!(distinct.len(), 4, "{good}");
        let bad = body(Lines::Bad {
            lines: 2,
            octets: 1_000,
        });
        assert!(bad.lines().all(|line| line.len() == 1_000 + 13), "{bad}");
        assert_eq!(bad.lines().count(), 2);
        let until = 1_800_000_059;
        let counts = body(Lines::Counts { lines: 2, until });
        assert_eq!(
            counts,
            "at,kind,count\n1799999940,attempt,2\n1799999880,attempt,3\n"
        );
    }
}
