//! What is planned, and the constraints of the plan.

use super::catalogue::Catalogue;
use super::demand::Demand;
use crate::certificate::hash::mixed;
use crate::math::number::signed;
use crate::time::{DAY, Span, Timestamp};

/// The most certificates in one plan: ten times the fleet that is planned within a second.
pub const MOST_CERTIFICATES: usize = 1_000_000;
/// The furthest deadline: a year, more than the longest lifetime of a public certificate.
pub const MOST_SECONDS_AHEAD: i64 = 366 * DAY;
/// The default duration of an order: the time-out of most clients.
pub const USUAL_ORDER_SECONDS: i64 = 60;
/// The default span without dates and deadline: every hour of the day once.
pub const USUAL_WITHIN_SECONDS: i64 = DAY;

/// A certificate to renew or issue.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Renewal {
    /// Its own window; `None` to use the plan's.
    pub window: Option<Span>,
    /// The earliest time, whatever the plan's deadline.
    pub earliest: Option<Timestamp>,
    /// The latest time, however late the plan's deadline: its own deadline, or its end of validity.
    pub until: Option<Timestamp>,
    /// The account that places the order.
    pub account: String,
    /// Its names. Empty if unknown; then only the account's limits count.
    pub names: Vec<String>,
    /// Whether the order names the replaced certificate (RFC 9773 section 5).
    pub by_ari: bool,
}

impl Renewal {
    /// Its window when the plan has a deadline: until then, or until its own deadline if that is
    /// earlier and not past. A past deadline cannot be kept.
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

/// The conditions of a plan.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    /// The present. The earliest planned time is the next second.
    pub now: Timestamp,
    /// The room in future hours.
    pub demand: &'a Demand,
    /// The CA's limits.
    pub limits: &'a Catalogue,
    /// The deadline for certificates without a window of their own.
    pub deadline: Timestamp,
    /// The most orders started per minute.
    pub max_per_minute: Option<f64>,
    /// The most parallel orders.
    pub max_concurrent: Option<u32>,
    /// How long an order takes, in seconds.
    pub order_seconds: i64,
    /// The same seed and the same fleet give the same plan.
    pub seed: u128,
}

impl Terms<'_> {
    /// The window of certificates without their own.
    pub(super) fn usual_window(&self) -> Span {
        Span {
            from: self.now + 1,
            to: self.deadline,
        }
    }
}

/// 64 random bits for a member of a fleet and a purpose.
pub(super) fn draw(seed: u128, member: usize, purpose: i64) -> u64 {
    let salt = signed(member).wrapping_mul(4).wrapping_add(purpose);
    u64::try_from(mixed(seed, salt) >> 64).unwrap_or(0)
}
