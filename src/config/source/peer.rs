//! `kind = "peer"`: another offpeak server, whose counts are read.

use std::path::PathBuf;

use super::super::error::Problems;
use super::super::section::Section;
use super::super::value::{self, base_url};
use crate::domain::demand::permission::{Permission, Voice};
use crate::domain::policy::ca::CaName;
use crate::domain::time::DAY;

/// How far back a new source begins by default: two weeks, as for other kinds.
const USUAL_BACKFILL_SECONDS: i64 = 14 * DAY;

/// Another offpeak server, and which of its counts are trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerConfig {
    /// The URL of its admin listener, without a trailing slash.
    pub url: String,
    /// The file with a token for it.
    pub token_file: PathBuf,
    /// Those of its sources whose counts are used.
    pub believed: Permission,
    /// The CA's name there; `None`: the same as here.
    pub their_ca: Option<CaName>,
    /// How far back a new source begins.
    pub backfill_seconds: i64,
}

pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Option<PeerConfig> {
    let url = section.require("url", problems, |v| base_url(value::text(v)?));
    let token_file = section.require("token_file", problems, value::path);
    let given = section.has("sources");
    let voices = section.list("sources", problems, |v, _| value::text(v)?.parse::<Voice>());
    if !given {
        section.fault("sources", problems, "is missing");
    } else if voices.is_empty() {
        let reason = "believes nothing: name sources of the peer, such as \"log\"";
        section.fault("sources", problems, reason);
    }
    let their_ca = section.read("their_ca", problems, |v| {
        let name = value::text(v)?.parse::<CaName>();
        name.map_err(|error| error.to_string())
    });
    let backfill = section.read("backfill", problems, |v| value::duration(v, 0..=400 * DAY));
    Some(PeerConfig {
        url: url?,
        token_file: token_file?,
        believed: Permission::to(voices),
        their_ca,
        backfill_seconds: backfill.unwrap_or(USUAL_BACKFILL_SECONDS),
    })
}
