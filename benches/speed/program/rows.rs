//! What is measured, in which unit, and what is aimed at.

use std::fmt;

/// A group of rows that is measured together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Windows drawn.
    Allocation,
    /// Writers beside replicas that follow the change feed.
    Feed,
    /// Unknown CertIDs by the thousand.
    Flood,
    /// The gateway beside nginx, and under more than its upstream bears.
    Gateway,
    /// What an attacker can do to those who behave.
    Hostile,
    /// CSV and PEM files into both databases.
    Import,
    /// The index alone, up to 10^8 certificates.
    Index,
    /// Instructions a request.
    Instructions,
    /// Single registrations beside a bulk import.
    Posts,
    /// A static document.
    Ranking,
    /// Memory, and how soon it answers.
    Restart,
    /// `renewalInfo` beside nginx.
    Serving,
}

/// What a value should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
    /// It is there to be compared with.
    Free,
}

/// One thing measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) part: Part,
    pub(super) meaning: &'static str,
    pub(super) unit: &'static str,
    pub(super) target: Target,
    /// The row that it is a ratio to.
    pub(super) ratio_to: Option<&'static str>,
}

pub(super) const fn row(
    part: Part,
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
) -> Row {
    Row {
        name,
        part,
        meaning,
        unit,
        target: Target::Free,
        ratio_to: None,
    }
}

impl Row {
    pub(super) const fn to(self, other: &'static str) -> Self {
        Self {
            ratio_to: Some(other),
            ..self
        }
    }

    pub(super) const fn at_least(self, least: f64) -> Self {
        Self {
            target: Target::AtLeast(least),
            ..self
        }
    }

    pub(super) const fn at_most(self, most: f64) -> Self {
        Self {
            target: Target::AtMost(most),
            ..self
        }
    }

    pub(super) const fn below(self, limit: f64) -> Self {
        Self {
            target: Target::Below(limit),
            ..self
        }
    }
}

impl Part {
    /// In the order in which they are measured and shown.
    pub(super) const ALL: [Self; 12] = [
        Self::Serving,
        Self::Ranking,
        Self::Instructions,
        Self::Flood,
        Self::Hostile,
        Self::Restart,
        Self::Index,
        Self::Import,
        Self::Posts,
        Self::Feed,
        Self::Allocation,
        Self::Gateway,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Allocation => "allocation",
            Self::Feed => "feed",
            Self::Flood => "flood",
            Self::Gateway => "gateway",
            Self::Hostile => "hostile",
            Self::Import => "import",
            Self::Index => "index",
            Self::Instructions => "instructions",
            Self::Posts => "posts",
            Self::Ranking => "ranking",
            Self::Restart => "restart",
            Self::Serving => "serving",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Allocation => "Drawing windows",
            Self::Feed => "Several processes on one PostgreSQL",
            Self::Flood => "A flood of unknown CertIDs, on PostgreSQL",
            Self::Gateway => "The gateway, TLS to its clients",
            Self::Hostile => "Beside attackers and heavy work",
            Self::Import => "Importing",
            Self::Index => "The index alone",
            Self::Instructions => "Instructions in user space",
            Self::Posts => "Single registrations during a bulk import",
            Self::Ranking => "`ranking.json`",
            Self::Restart => "Restart and memory",
            Self::Serving => "`renewalInfo`",
        }
    }
}

impl Target {
    /// `None` where there is nothing to meet.
    pub(super) fn is_met_by(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::Below(limit) => Some(value < limit),
            Self::Free => None,
        }
    }
}

impl fmt::Display for Target {
    /// As machines read it; nothing where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::Below(limit) => write!(f, "< {limit}"),
            Self::Free => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_hold_at_their_edges() {
        assert_eq!(Target::AtLeast(1.0).is_met_by(1.0), Some(true));
        assert_eq!(Target::AtMost(1.0).is_met_by(1.0), Some(true));
        assert_eq!(Target::Below(1.0).is_met_by(1.0), Some(false));
        assert_eq!(Target::Free.is_met_by(1.0), None);
    }
}
