//! A certificate authority as configured: its name, its issuers and its policy.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::capacity::CapacityRule;
use super::note::Note;
use super::planned::Planned;
use crate::certificate::certid::KeyIdentifier;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// A CA's name: 1 to 63 of `a` to `z`, `0` to `9` and `-`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct CaName(Box<str>);

/// A text that names no CA.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no CA name: 1 to 63 of a-z, 0-9 and -")]
pub struct CaNameError(pub String);

impl CaName {
    /// The CA of issuers that no configured CA claims.
    pub const DEFAULT: &'static str = "default";

    /// Whether it is the CA of issuers that no configured CA claims.
    #[must_use]
    pub fn is_default(&self) -> bool {
        &*self.0 == Self::DEFAULT
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CaName {
    fn default() -> Self {
        Self(Self::DEFAULT.into())
    }
}

impl FromStr for CaName {
    type Err = CaNameError;
    fn from_str(text: &str) -> Result<Self, CaNameError> {
        let fits = (1..=63).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(CaNameError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for CaName {
    type Error = CaNameError;
    fn try_from(text: String) -> Result<Self, CaNameError> {
        text.parse()
    }
}

impl From<CaName> for String {
    fn from(name: CaName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for CaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaName({self})")
    }
}

/// What is configured for one CA.
#[derive(Clone, Debug, PartialEq)]
pub struct CaPolicy {
    /// Its name.
    pub name: CaName,
    /// Such as `production` or `staging`.
    pub environment: String,
    /// The issuers it claims.
    pub issuers: Vec<KeyIdentifier>,
    /// Seconds from `notBefore` to issuance.
    pub backdate_seconds: i64,
    /// Seconds in a slot: 3600, 1800, 900 or 300.
    pub slot_seconds: i64,
    /// φ: the share of certificates taken to follow their window before there is evidence, 0 to 1.
    pub follow_prior: f64,
    /// What renewing early may add to the issuance of lives of which a day is a large part, as a
    /// share of it, 0 to 1.
    pub max_extra: f64,
    /// The share of the mean load that readers of the ranking are taken to move, 0 to 1.
    pub steerable_share: f64,
    /// The share of attempts that are to succeed in each slot, 0 to 1; `None`: nobody says.
    pub objective: Option<f64>,
    /// Nothing after this instant is learned: the model stays as it was then. `None`: all is learned.
    pub learn_until: Option<Timestamp>,
    /// The longest base of `Retry-After` in seconds; short lives get less.
    pub retry_after_seconds: i64,
    /// The bands, longest lives first; the first that fits a life is used.
    pub bands: Vec<BandRule>,
    /// When the CA takes less than usual, or nothing.
    pub capacity: Vec<CapacityRule>,
    /// The outages among these spans, which are reported as such.
    pub outages: Vec<Span>,
    /// Bulk events that are announced ahead.
    pub planned: Vec<Planned>,
    /// The share of certificates that stay on the plain window as a control group, 0 to 0.5.
    pub control_share: f64,
    /// Who starts a rebalance.
    pub rebalance: Rebalancing,
    /// What its operator has to say.
    pub notes: Vec<Note>,
    /// Another policy, computed beside this one and never served.
    pub shadow: Option<Box<Self>>,
}

/// Who starts a rebalance.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rebalancing {
    /// The service, where the forecast has drifted.
    Auto,
    /// People.
    #[default]
    Manual,
}

/// Where in a life of at least `min_life_seconds` the renewal may be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandRule {
    /// The shortest life this rule fits, in seconds.
    pub min_life_seconds: i64,
    /// The band ends at this fraction of the life …
    pub end_fraction: f64,
    /// … plus this many seconds (mostly negative).
    pub end_offset_seconds: i64,
    /// The band's length is at most this many seconds …
    pub length_seconds: i64,
    /// … and at most this fraction of the life.
    pub length_fraction: f64,
    /// Where the load needs it, the band widens up to this fraction of the life.
    pub max_length_fraction: f64,
}

impl CaPolicy {
    /// The policy of a CA that configures nothing but its name.
    #[must_use]
    pub fn named(name: CaName) -> Self {
        Self {
            name,
            environment: "production".to_owned(),
            issuers: Vec::new(),
            backdate_seconds: 0,
            slot_seconds: HOUR,
            follow_prior: 0.3,
            max_extra: 0.05,
            steerable_share: 0.5,
            objective: None,
            learn_until: None,
            retry_after_seconds: 6 * HOUR,
            bands: BandRule::DEFAULTS.to_vec(),
            capacity: Vec::new(),
            outages: Vec::new(),
            planned: Vec::new(),
            control_share: 0.0,
            rebalance: Rebalancing::Manual,
            notes: Vec::new(),
            shadow: None,
        }
    }
}

impl BandRule {
    /// The bands of `docs/allocation.md`: just before clients renew by their own rule, which is 2/3 of
    /// a life of ten days and more, and 1/2 of a shorter one.
    pub const DEFAULTS: [Self; 2] = [
        Self {
            min_life_seconds: 10 * DAY,
            end_fraction: 2.0 / 3.0,
            end_offset_seconds: -2 * HOUR,
            length_seconds: DAY,
            length_fraction: 1.0,
            max_length_fraction: 0.2,
        },
        Self {
            min_life_seconds: 0,
            end_fraction: 0.49,
            end_offset_seconds: 0,
            length_seconds: DAY,
            length_fraction: 0.15,
            max_length_fraction: 0.25,
        },
    ];
}
