//! The supported log formats.

use super::certificate::{self, Shown};
use super::line::{Request, Unreadable};
use super::pattern::Pattern;
use super::{boulder, combined, json, nginx};
use crate::demand::observation::Kind;
use crate::time::Timestamp;

/// A log format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// Boulder's registration authority: its audit lines.
    BoulderRa,
    /// Boulder's web front end.
    BoulderWfe,
    /// Caddy's access log.
    Caddy,
    /// Apache's and nginx's `combined`, with or without the request time at its end.
    Combined,
    /// nginx with a JSON `log_format`.
    NginxJson,
    /// The audit log of `OpenBao`.
    OpenBao,
    /// A configured pattern.
    Pattern(Pattern),
    /// step-ca's request log, as JSON or text.
    StepCa,
}

impl Format {
    /// The request in a line, or `None` if the line is not about demand.
    ///
    /// # Errors
    /// [`Unreadable`]: the line is about demand but not in this format.
    pub fn read<'a>(&self, line: &'a [u8]) -> Result<Option<Request<'a>>, Unreadable> {
        if !self.may_be_demand(line) {
            return Ok(None);
        }
        if let Ok(line) = str::from_utf8(line) {
            return self.read_text(line);
        }
        // A client may send any octets, and nginx logs them in JSON unchanged.
        let line = String::from_utf8_lossy(line);
        Ok(self.read_text(&line)?.map(Request::into_owned))
    }

    fn read_text<'a>(&self, line: &'a str) -> Result<Option<Request<'a>>, Unreadable> {
        match self {
            Self::BoulderRa => boulder::audit(line),
            Self::BoulderWfe => boulder::front_end(line),
            Self::Caddy => json::caddy(line),
            Self::Combined => combined::read(line),
            Self::NginxJson => nginx::read(line),
            Self::OpenBao => json::openbao(line),
            Self::Pattern(pattern) => pattern.read(line),
            Self::StepCa => json::step_ca(line),
        }
    }

    /// What its lines can show. A registration authority logs certificates and failures, but no
    /// orders by themselves.
    #[must_use]
    pub const fn kinds(&self) -> &'static [Kind] {
        match self {
            Self::BoulderRa => &[Kind::Issued, Kind::Failed],
            _ => &[Kind::Attempt, Kind::Issued, Kind::Failed],
        }
    }

    /// The certificate in a line, whatever the line is about.
    #[must_use]
    pub fn certificate(&self, line: &[u8]) -> Option<Shown> {
        let has = |word: &[u8]| memchr::memmem::find(line, word).is_some();
        let may_show = match self {
            Self::BoulderRa => has(b"Signing cert success") || has(b"request - successful"),
            Self::OpenBao => has(b"-----BEGIN CERTIFICATE"),
            Self::Pattern(pattern) => pattern.shows_certificates(),
            Self::StepCa => has(b"certificate"),
            Self::BoulderWfe | Self::Caddy | Self::Combined | Self::NginxJson => false,
        };
        let line = str::from_utf8(line).ok().filter(|_| may_show)?;
        match self {
            Self::BoulderRa => certificate::boulder(line),
            Self::OpenBao => certificate::openbao(line),
            Self::Pattern(pattern) => pattern.certificate(line),
            Self::StepCa => certificate::step_ca(line),
            Self::BoulderWfe | Self::Caddy | Self::Combined | Self::NginxJson => None,
        }
    }

    /// The time of a line, whatever the line is about.
    #[must_use]
    pub fn time(&self, line: &[u8]) -> Option<Timestamp> {
        let line = &String::from_utf8_lossy(line);
        match self {
            Self::BoulderRa | Self::BoulderWfe => boulder::time(line),
            Self::Caddy | Self::OpenBao | Self::StepCa => json::time(line),
            Self::Combined => combined::time(line),
            Self::NginxJson => nginx::time(line),
            Self::Pattern(pattern) => pattern.time(line),
        }
    }

    /// Most lines of a busy server are about nonces, challenges and polls. Searching their octets
    /// is far cheaper than parsing them.
    fn may_be_demand(&self, line: &[u8]) -> bool {
        let has = |word: &[u8]| memchr::memmem::find(line, word).is_some();
        match self {
            Self::BoulderRa => has(b"Certificate request - "),
            Self::OpenBao => has(b"rder") || has(b"inalize") || has(b"/issue/") || has(b"/sign"),
            _ => has(b"rder") || has(b"inalize"),
        }
    }
}
