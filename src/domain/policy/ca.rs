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

/// The text is not a valid CA name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} is no CA name: 1 to 63 of a-z, 0-9 and -")]
pub struct CaNameError(pub String);

impl CaName {
    /// The CA for issuers that no configured CA claims.
    pub const DEFAULT: &'static str = "default";

    /// Whether it is the CA for issuers that no configured CA claims.
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

/// The configuration of one CA.
#[derive(Clone, Debug, PartialEq)]
pub struct CaPolicy {
    /// Its name.
    pub name: CaName,
    /// For example `production` or `staging`.
    pub environment: String,
    /// The issuers that belong to it.
    pub issuers: Vec<KeyIdentifier>,
    /// Seconds from `notBefore` to issuance.
    pub backdate_seconds: i64,
    /// Seconds in a slot: 3600, 1800, 900 or 300.
    pub slot_seconds: i64,
    /// φ: the assumed share of certificates that follow their windows before there is evidence, 0
    /// to 1.
    pub follow_prior: f64,
    /// How much early renewal may increase the issuance of lifetimes of which a day is a large
    /// part, as a fraction, 0 to 1.
    pub max_extra: f64,
    /// The assumed share of the mean load that readers of the ranking can move, 0 to 1.
    pub steerable_share: f64,
    /// The target share of successful attempts in each slot, 0 to 1; `None` if there is no target.
    pub objective: Option<f64>,
    /// The model learns nothing from after this instant and stays as it was then. `None`: no limit.
    pub learn_until: Option<Timestamp>,
    /// The longest base of `Retry-After`, in seconds. Short lifetimes get less.
    pub retry_after_seconds: i64,
    /// The bands, longest lifetimes first; the first one that fits a lifetime is used.
    pub bands: Vec<BandRule>,
    /// When the CA has reduced capacity, or none.
    pub capacity: Vec<CapacityRule>,
    /// Those of the closed spans that are outages and are reported as such.
    pub outages: Vec<Span>,
    /// Bulk events announced in advance.
    pub planned: Vec<Planned>,
    /// The share of certificates in the control group, which keep the plain window; 0 to 0.5.
    pub control_share: f64,
    /// What starts a rebalance.
    pub rebalance: Rebalancing,
    /// Notes by its operator.
    pub notes: Vec<Note>,
    /// Another policy, evaluated alongside this one but never used for answers.
    pub shadow: Option<Box<Self>>,
}

/// What starts a rebalance.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rebalancing {
    /// The service, if the forecast has drifted.
    Auto,
    /// An operator.
    #[default]
    Manual,
}

/// When in a lifetime of at least `min_life_seconds` the renewal may take place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BandRule {
    /// The shortest lifetime that this rule fits, in seconds.
    pub min_life_seconds: i64,
    /// The band ends at this fraction of the lifetime …
    pub end_fraction: f64,
    /// … plus this many seconds (mostly negative).
    pub end_offset_seconds: i64,
    /// The band's length is at most this many seconds …
    pub length_seconds: i64,
    /// … and at most this fraction of the lifetime.
    pub length_fraction: f64,
    /// If the load requires it, the band widens up to this fraction of the lifetime.
    pub max_length_fraction: f64,
}

impl CaPolicy {
    /// The policy of a CA with nothing configured but its name.
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
    /// The bands of `docs/allocation.md`: just before clients renew by their own rule, which is 2/3
    /// of a lifetime of ten days and more, and 1/2 of a shorter one.
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
