//! One certificate of a fleet, as described by its owner.

use serde::{Deserialize, Serialize};

use crate::domain::allocation::band::{self, Place};
use crate::domain::certificate::Validity;
use crate::domain::certificate::certid::CertId;
use crate::domain::plan::{MOST_SECONDS_AHEAD, Renewal, USUAL_WITHIN_SECONDS};
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{Span, Timestamp};
use crate::ingest::rejected::quoted;

/// The most names of a certificate: as many as are read from one.
const MOST_NAMES: usize = 2_000;

/// One certificate of a fleet.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Member {
    /// The owner's name for it. Default: its first name, else its CertID.
    #[serde(default)]
    pub id: Option<String>,
    /// The existing certificate.
    #[serde(default)]
    pub cert_id: Option<CertId>,
    /// Its DNS names and addresses.
    #[serde(default)]
    pub names: Vec<String>,
    /// The start of its validity.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
    /// The end of its validity.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
    /// The earliest renewal time.
    #[serde(default)]
    pub earliest: Option<Timestamp>,
    /// Its own deadline, which applies in addition to the plan's.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
    /// The account that places the order. Default: that of the plan.
    #[serde(default)]
    pub account: Option<String>,
    /// Whether the order names the replaced certificate. Default: if `certId` is known.
    #[serde(default)]
    pub ari: Option<bool>,
}

/// The defaults for a fleet.
#[derive(Clone, Debug)]
pub struct Usual<'a> {
    /// The current time.
    pub now: Timestamp,
    /// The plan's deadline. `None`: each certificate in its own band, or within a day if it has no
    /// dates.
    pub deadline: Option<Timestamp>,
    /// The account that places the orders.
    pub account: &'a str,
    /// Whether clients never name the replaced certificate.
    pub without_ari: bool,
    /// The CA's policy, for its bands.
    pub policy: &'a CaPolicy,
    /// A window given by a server, in place of the band.
    pub given: Option<Span>,
}

impl Usual<'_> {
    /// The same for a certificate with this window from a server.
    #[must_use]
    pub fn within(&self, given: Option<Span>) -> Self {
        Self {
            given,
            ..self.clone()
        }
    }
}

impl Member {
    /// A short name that the owner will recognise; empty if there is none.
    #[must_use]
    pub fn label(&self) -> String {
        let name = self.id.clone().or_else(|| self.names.first().cloned());
        name.or_else(|| self.cert_id.as_ref().map(ToString::to_string))
            .unwrap_or_default()
    }

    /// Its own deadline, or the end of its validity, if that has passed. It is then planned within
    /// the next day.
    #[must_use]
    pub fn missed(&self, now: Timestamp) -> Option<Timestamp> {
        [self.deadline, self.not_after]
            .into_iter()
            .flatten()
            .find(|at| *at <= now)
    }

    /// The certificate in the form used for planning.
    #[must_use]
    pub fn renewal(&self, usual: &Usual<'_>) -> Renewal {
        Renewal {
            window: self.window(usual),
            earliest: self.earliest,
            until: self.until(),
            account: self
                .account
                .clone()
                .unwrap_or_else(|| usual.account.to_owned()),
            names: self.names.clone(),
            by_ari: !usual.without_ari && self.ari.unwrap_or_else(|| self.cert_id.is_some()),
        }
    }

    /// Checks it under the plan's deadline.
    ///
    /// # Errors
    /// The field and the reason.
    pub fn check_under(&self, usual: &Usual<'_>) -> Result<(), (&'static str, String)> {
        if let (Some(earliest), Some(deadline)) = (self.earliest, usual.deadline)
            && deadline <= earliest
        {
            return Err((
                "earliest",
                format!("{earliest} is not before the deadline of the plan, {deadline}"),
            ));
        }
        Ok(())
    }

    /// Whether its time begins further ahead than plans reach, such as for a private CA's
    /// certificate of ten years.
    #[must_use]
    pub fn is_due_later(&self, usual: &Usual<'_>) -> bool {
        let window = self.window(usual);
        window.is_some_and(|window| window.from > usual.now + MOST_SECONDS_AHEAD)
    }

    /// Checks its fields.
    ///
    /// # Errors
    /// The field and the reason.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        if self.names.len() > MOST_NAMES {
            return Err((
                "names",
                format!("there are {}, {MOST_NAMES} are the most", self.names.len()),
            ));
        }
        if let Some(name) = self
            .names
            .iter()
            .find(|name| name.is_empty() || name.len() > 253)
        {
            return Err((
                "names",
                format!("{} is no name of 1 to 253 octets", quoted(name)),
            ));
        }
        if let (Some(not_before), Some(not_after)) = (self.not_before, self.not_after)
            && not_after < not_before
        {
            return Err((
                "notAfter",
                format!("{not_after} is before notBefore {not_before}"),
            ));
        }
        if let (Some(earliest), Some(deadline)) = (self.earliest, self.deadline)
            && deadline <= earliest
        {
            return Err((
                "deadline",
                format!("{deadline} is not after earliest {earliest}"),
            ));
        }
        Ok(())
    }

    /// Its own window: from `earliest` or now to the earlier of its deadline and the plan's, or its
    /// band. If that is over, the window begins now and is a day long, because the certificate is
    /// late and should be renewed soon.
    fn window(&self, usual: &Usual<'_>) -> Option<Span> {
        let next = usual.now + 1;
        let from = self.earliest.unwrap_or(next).max(next);
        let late = Span {
            from: next,
            to: next + USUAL_WITHIN_SECONDS,
        };
        let window = match (usual.deadline, self.deadline) {
            (Some(deadline), _) => {
                let bounds = Renewal {
                    earliest: self.earliest,
                    until: self.until(),
                    ..Renewal::default()
                };
                bounds.window_by(deadline, usual.now)
            }
            (None, Some(to)) => Span { from, to },
            (None, None) => self.band(usual, from).or_else(|| {
                let to = from + USUAL_WITHIN_SECONDS;
                self.earliest.map(|_| Span { from, to })
            })?,
        };
        Some(if window.to <= window.from {
            late
        } else {
            window
        })
    }

    /// The latest time, whatever the plan: its own deadline, else its end of validity.
    fn until(&self) -> Option<Timestamp> {
        self.deadline.or(self.not_after)
    }

    fn band(&self, usual: &Usual<'_>, from: Timestamp) -> Option<Span> {
        if let Some(given) = usual.given {
            return Some(Span {
                from: given.from.max(from),
                to: given.to,
            });
        }
        let validity = Validity {
            not_before: self.not_before?,
            not_after: self.not_after?,
        };
        let place = band::place(usual.policy, validity, validity.not_before, usual.now).ok()?;
        let (begin, to) = match place {
            Place::Slots(_, range) => (range.from(), range.to()),
            Place::Starts { starts, .. } => (starts.from, starts.to),
        };
        let to = to.min(validity.not_after);
        Some(Span {
            from: begin.max(from),
            to,
        })
    }
}
