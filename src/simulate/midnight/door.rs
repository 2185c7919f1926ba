//! How each rule handles a new order at the CA.

use super::outcome::Rule;
use crate::domain::admission::{Admission, Decision, Event, Limits, Moment, Outcome, Party};
use crate::domain::admission::{
    Renewal, Request, Ticket, USUAL_SECONDS, hold_seconds, hold_seconds_with_interim,
};
use crate::domain::certificate::hash::mixed;
use crate::domain::math::number::{real, whole};

/// The `Retry-After` of `fixed` and `hold`: an hour, as in examples of configurations.
const CONSTANT_SECONDS: i64 = 3_600;

/// Consecutive failures of orders that never succeed and have failed daily for long.
const FAILURES: u32 = 30;

/// The most held requests: twice a gateway's default, as suitable for a CA of this capacity.
const HELD: usize = 40_000;

/// A new order from a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Post {
    /// The client.
    pub(super) client: u32,
    /// Whether it will get a certificate.
    pub(super) succeeds: bool,
    /// Its `User-Agent`.
    pub(super) user_agent: &'static str,
}

/// The immediate answer to a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// An order; it reached the CA.
    Order,
    /// A failure that reached the CA.
    Failed,
    /// 503 with this many seconds; it did not reach the CA.
    Busy(i64),
    /// None yet: the request is held.
    Held(Ticket),
}

/// The state of a rule.
#[derive(Debug)]
pub(super) enum Door {
    /// This many orders succeed in each second of the clock.
    Counter {
        capacity: f64,
        second: i64,
        served: i64,
        busy: Answer,
    },
    /// Admission, and whether rejected clients are assigned individual seconds.
    Gateway {
        admission: Box<Admission>,
        assigns: bool,
    },
}

impl Door {
    pub(super) fn new(rule: Rule, capacity: f64) -> Self {
        match rule {
            Rule::None | Rule::Fixed => Self::Counter {
                capacity,
                second: 0,
                served: 0,
                busy: if rule == Rule::None {
                    Answer::Failed
                } else {
                    Answer::Busy(CONSTANT_SECONDS)
                },
            },
            Rule::Hold | Rule::Offpeak => Self::Gateway {
                admission: Box::new(Admission::new(Limits {
                    new_orders_per_second: Some(capacity),
                    ceilings: Vec::new(),
                    held: HELD,
                    held_octets: usize::MAX,
                    per_account: None,
                })),
                assigns: rule == Rule::Offpeak,
            },
        }
    }

    /// Handles a new order.
    pub(super) fn posts(&mut self, now: Moment, post: Post) -> Answer {
        match self {
            Self::Counter {
                capacity,
                second,
                served,
                busy,
            } => {
                if now.second() != *second {
                    (*second, *served) = (now.second(), 0);
                }
                *served += 1;
                // Whole numbers whose mean is the rate.
                let up_to = |second: i64| whole((*capacity * real(second)).floor());
                if *served <= up_to(*second + 1) - up_to(*second) {
                    Answer::Order
                } else {
                    *busy
                }
            }
            Self::Gateway { admission, assigns } => {
                match admission.ask(now, &request(post, *assigns)) {
                    Decision::Forward => {
                        admission.answered(now, 0, Outcome::Answered);
                        Answer::Order
                    }
                    Decision::Hold(ticket) => Answer::Held(ticket),
                    Decision::OverLimit {
                        retry_after_seconds,
                    }
                    | Decision::TurnAway {
                        retry_after_seconds,
                    } => Answer::Busy(if *assigns {
                        retry_after_seconds
                    } else {
                        CONSTANT_SECONDS
                    }),
                }
            }
        }
    }

    /// The next decision about a held request.
    pub(super) fn next(&mut self, now: Moment) -> Option<(Ticket, Answer)> {
        let Self::Gateway { admission, assigns } = self else {
            return None;
        };
        Some(match admission.next(now)? {
            Event::Forward(ticket) => {
                admission.answered(now, 0, Outcome::Answered);
                (ticket, Answer::Order)
            }
            Event::TurnAway {
                ticket,
                retry_after_seconds,
            } => {
                let retry_after = if *assigns {
                    retry_after_seconds
                } else {
                    CONSTANT_SECONDS
                };
                (ticket, Answer::Busy(retry_after))
            }
        })
    }

    /// When to call [`Door::next`] again.
    pub(super) fn wakes_at(&mut self, now: Moment) -> Option<Moment> {
        match self {
            Self::Counter { .. } => None,
            Self::Gateway { admission, .. } => admission.wakes_at(now),
        }
    }
}

/// The request as the gateway sees it. `hold` uses only the queue, without knowledge about the
/// client.
fn request(post: Post, knows: bool) -> Request {
    let hash = u64::try_from(mixed(u128::from(post.client) << 64, 0) >> 64).unwrap_or_default();
    let (renewal, failures) = match (knows, post.succeeds) {
        (false, _) => (Renewal::No, 0),
        (true, true) => (Renewal::Due, 0),
        (true, false) => (Renewal::No, FAILURES),
    };
    Request {
        party: Party::Account(hash),
        order: hash,
        renewal,
        failures,
        hold_seconds: if knows {
            hold_seconds_with_interim(post.user_agent, USUAL_SECONDS)
                .unwrap_or_else(|| hold_seconds(post.user_agent, USUAL_SECONDS))
        } else {
            USUAL_SECONDS
        },
        octets: 0,
    }
}
