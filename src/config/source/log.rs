//! `kind = "log"`: a growing log file and its rotated files.

use std::path::PathBuf;

use super::super::error::Problems;
use super::super::hint::did_you_mean;
use super::super::section::Section;
use super::super::value;
use crate::domain::accesslog::{Format, Pattern};

/// The longest pattern in bytes.
const MOST_PATTERN_OCTETS: usize = 1_000;

/// A log file, and its format.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// The file that is written now. Rotated files are in the same folder, and their names begin with
    /// its name.
    pub path: PathBuf,
    /// The format of its lines.
    pub format: Format,
    /// The vantage of its counts; `None`: the name of the source.
    pub vantage: Option<String>,
    /// Whether clients are counted separately, by their user agents.
    pub by_client: bool,
}

/// The formats, by their names in the file.
const FORMATS: [&str; 9] = [
    "nginx-combined",
    "apache-combined",
    "nginx-json",
    "caddy",
    "boulder-wfe",
    "boulder-ra",
    "step-ca",
    "openbao",
    "pattern",
];

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<LogConfig> {
    let path = section.require("path", problems, value::path);
    let format = section.require("format", problems, |v| {
        let given = value::text(v)?;
        FORMATS
            .into_iter()
            .find(|format| *format == given)
            .ok_or_else(|| {
                let hint = did_you_mean(given, FORMATS);
                format!("{given:?} is none of {}{hint}", FORMATS.join(", "))
            })
    });
    let pattern = section.read("pattern", problems, |v| {
        let text = value::text(v)?;
        if text.len() > MOST_PATTERN_OCTETS {
            return Err(format!("is longer than {MOST_PATTERN_OCTETS} octets"));
        }
        Pattern::parse(text).map_err(|error| error.to_string())
    });
    let vantage = section.read("vantage", problems, |v| {
        super::super::token::name(value::text(v)?)
    });
    let by_client = section.read("by_client", problems, value::switch);
    let given = section.has("pattern");
    let format = match (format?, pattern) {
        ("pattern", None) if given => return None,
        ("pattern", Some(pattern)) => Format::Pattern(pattern),
        ("pattern", None) => {
            section.fault("pattern", problems, "is missing");
            return None;
        }
        (_, Some(_)) => {
            section.fault("pattern", problems, "goes with format = \"pattern\" alone");
            return None;
        }
        ("nginx-json", None) => Format::NginxJson,
        ("caddy", None) => Format::Caddy,
        ("boulder-wfe", None) => Format::BoulderWfe,
        ("boulder-ra", None) => Format::BoulderRa,
        ("step-ca", None) => Format::StepCa,
        ("openbao", None) => Format::OpenBao,
        _ => Format::Combined,
    };
    Some(LogConfig {
        path: path?,
        format,
        vantage,
        by_client: by_client.unwrap_or(false),
    })
}
