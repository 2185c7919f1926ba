//! What is planned, and the constraints of the plan.

use super::catalogue::Catalogue;
use super::demand::Demand;
use crate::certificate::hash::mixed;
use crate::math::number::signed;
use crate::time::{DAY, Span, Timestamp};

/// The most certificates of one plan: ten times the fleet that is planned in a second.
pub const MOST_CERTIFICATES: usize = 1_000_000;
/// Deadlines lie at most this far ahead: a year, the longest life of a public certificate and more.
pub const MOST_SECONDS_AHEAD: i64 = 366 * DAY;
/// How long an order takes where nobody says: the time-out that most clients have.
pub const USUAL_ORDER_SECONDS: i64 = 60;
/// Within this, where there are neither dates nor a deadline: every hour of the day once.
pub const USUAL_WITHIN_SECONDS: i64 = DAY;

/// One certificate that is to be renewed or issued.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Renewal {
    /// Its own window; `None`: that of the plan.
    pub window: Option<Span>,
    /// No earlier, whatever the deadline of the plan.
    pub earliest: Option<Timestamp>,
    /// Before this, however late the deadline of the plan: a deadline of its own, or its end.
    pub until: Option<Timestamp>,
    /// The account that orders it.
    pub account: String,
    /// Its names, or none where they are not known: then only the account is counted.
    pub names: Vec<String>,
    /// Whether the order says which certificate it replaces (RFC 9773 section 5).
    pub by_ari: bool,
}

impl Renewal {
    /// Its window where the plan has a deadline: until then, or until its own time where that is earlier and
    /// still ahead. Of a time that has passed nothing can be kept.
    #[must_use]
    pub fn window_by(&self, deadline: Timestamp, now: Timestamp) -> Span {
        let from = self.earliest.unwrap_or(now + 1).max(now + 1);
        let until = self.until.filter(|until| *until > from);
        Span {
            from,
            to: until.map_or(deadline, |until| until.min(deadline)),
        }
    }
}

/// What a plan has to keep.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// Now: nothing is planned before the next second.
    pub now: Timestamp,
    /// The room of the hours ahead.
    pub demand: &'a Demand,
    /// What the CA limits.
    pub limits: &'a Catalogue,
    /// Until when whoever has no window of its own is to be done.
    pub deadline: Timestamp,
    /// Orders a minute at most.
    pub max_per_minute: Option<f64>,
    /// Orders under way at the same time at most.
    pub max_concurrent: Option<u32>,
    /// How long an order takes, in seconds.
    pub order_seconds: i64,
    /// The same bits and the same fleet make the same plan.
    pub seed: u128,
}

impl Terms<'_> {
    /// The window of who has none of its own.
    pub(super) fn usual_window(&self) -> Span {
        Span {
            from: self.now + 1,
            to: self.deadline,
        }
    }
}

/// 64 bits for a member of a fleet and a purpose.
pub(super) fn draw(seed: u128, member: usize, purpose: i64) -> u64 {
    let salt = signed(member).wrapping_mul(4).wrapping_add(purpose);
    u64::try_from(mixed(seed, salt) >> 64).unwrap_or(0)
}
