//! The command line.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use super::gateway::client::TlsLoad;
use super::load::Load;
use super::rows::Part;
use super::setup::Size;

/// How long a soak lasts that says nothing else.
const SOAK_MINUTES: f64 = 10.0;

/// What to do.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) task: Task,
}

#[derive(Debug)]
pub(super) enum Task {
    /// To ask a server that runs already for everything, and check its answers.
    Ask {
        address: SocketAddr,
        rows: u64,
        seconds: f64,
    },
    /// To be a generator of requests over TLS.
    AskOverTls(Box<TlsLoad>),
    /// To write the registry's first rows as CSV, as of an instant.
    Csv {
        rows: u64,
        now: u64,
    },
    /// To be a generator.
    Generate(Box<Load>),
    List,
    Measure {
        size: Size,
        parts: Vec<Part>,
    },
    Soak {
        size: Size,
        minutes: f64,
    },
}

impl Options {
    pub(super) fn parse(arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        // Cargo adds `--bench` to what it runs.
        let mut arguments = arguments
            .filter(|argument| argument != "--bench")
            .peekable();
        let mut size = Size::FULL;
        let mut names = Vec::new();
        let mut soak = None;
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "ask" if names.is_empty() => {
                    let task = Task::Ask {
                        address: value(&mut arguments, "ask ADDRESS ROWS SECONDS")?,
                        rows: value(&mut arguments, "ask ADDRESS ROWS SECONDS")?,
                        seconds: value(&mut arguments, "ask ADDRESS ROWS SECONDS")?,
                    };
                    return Ok(Self { task });
                }
                "csv" if names.is_empty() => {
                    let task = Task::Csv {
                        rows: value(&mut arguments, "csv ROWS UNIX-SECONDS")?,
                        now: value(&mut arguments, "csv ROWS UNIX-SECONDS")?,
                    };
                    return Ok(Self { task });
                }
                "load" if names.is_empty() => {
                    let text = arguments.next().context("load takes a JSON object")?;
                    let task = Task::Generate(Box::new(serde_json::from_str(&text)?));
                    return Ok(Self { task });
                }
                "tls-load" if names.is_empty() => {
                    let text = arguments.next().context("tls-load takes a JSON object")?;
                    let task = Task::AskOverTls(Box::new(serde_json::from_str(&text)?));
                    return Ok(Self { task });
                }
                "--list" => return Ok(Self { task: Task::List }),
                "--quick" => {
                    size = Size {
                        certificates: size.certificates.min(Size::QUICK.certificates),
                        ..Size::QUICK
                    }
                }
                "--certificates" => size.certificates = value(&mut arguments, "--certificates N")?,
                "--soak" => {
                    let given = arguments.next_if(|next| next.parse::<f64>().is_ok());
                    let minutes = given.map_or(Ok(SOAK_MINUTES), |text| text.parse())?;
                    soak = Some(minutes);
                }
                name if name.starts_with('-') => bail!("there is no option {name}"),
                name => names.push(name.to_owned()),
            }
        }
        let parts = chosen(&names)?;
        let task = match soak {
            None => Task::Measure { size, parts },
            Some(minutes) => Task::Soak { size, minutes },
        };
        Ok(Self { task })
    }
}

/// The next argument, read as what it is for; `usage` says what there should be.
fn value<T: FromStr>(
    arguments: &mut impl Iterator<Item = String>,
    usage: &str,
) -> anyhow::Result<T> {
    let text = arguments.next();
    text.and_then(|text| text.parse().ok())
        .with_context(|| format!("it is {usage}"))
}

/// Those whose names contain one of these; all where there is none.
fn chosen(names: &[String]) -> anyhow::Result<Vec<Part>> {
    for name in names {
        if !Part::ALL
            .iter()
            .any(|part| part.name().contains(name.as_str()))
        {
            let known = Part::ALL.map(Part::name).join(", ");
            bail!("there is no part {name}; there are {known}");
        }
    }
    let is_chosen = |part: &Part| {
        names.is_empty() || names.iter().any(|name| part.name().contains(name.as_str()))
    };
    Ok(Part::ALL.into_iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> anyhow::Result<Task> {
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        Ok(Options::parse(arguments)?.task)
    }

    #[test]
    fn everything_is_measured_unless_parts_are_named() {
        let Task::Measure { size, parts } = parsed(&["--bench"]).unwrap() else {
            panic!("measured");
        };
        assert_eq!((size, &parts[..]), (Size::FULL, &Part::ALL[..]));
        let arguments = ["--quick", "--certificates", "12", "post", "rank"];
        let Task::Measure { size, parts } = parsed(&arguments).unwrap() else {
            panic!("measured");
        };
        assert_eq!(parts, [Part::Ranking, Part::Posts]);
        assert_eq!(
            size,
            Size {
                certificates: 12,
                ..Size::QUICK
            }
        );
        for wrong in [&["nginx"][..], &["--slow"], &["--certificates", "many"]] {
            assert!(parsed(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_soak_lasts_ten_minutes_or_as_long_as_is_said() {
        for (arguments, want) in [
            (&["--soak"][..], 10.0),
            (&["--soak", "0.5", "--quick"], 0.5),
        ] {
            let Task::Soak { minutes, .. } = parsed(arguments).unwrap() else {
                panic!("a soak");
            };
            assert!((minutes - want).abs() < 1e-9, "{arguments:?}");
        }
    }
}
