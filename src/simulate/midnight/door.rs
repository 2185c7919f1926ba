//! How each rule treats a new order at the CA's door.

use super::outcome::Rule;
use crate::domain::admission::{Admission, Decision, Event, Limits, Moment, Outcome, Party};
use crate::domain::admission::{
    Renewal, Request, Ticket, USUAL_SECONDS, hold_seconds, hold_seconds_with_interim,
};
use crate::domain::certificate::hash::mixed;
use crate::domain::math::number::{real, whole};

/// What `fixed` and `hold` tell those who are turned away: an hour, as examples of configuration have it.
const CONSTANT_SECONDS: i64 = 3_600;

/// Those that never succeed have failed each day for long.
const FAILURES: u32 = 30;

/// Held requests at most: twice what a gateway has by default, as a CA is to configure that bears as much.
const HELD: usize = 40_000;

/// One post of one client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Post {
    /// The client.
    pub(super) client: u32,
    /// Whether it will get a certificate.
    pub(super) succeeds: bool,
    /// Its `User-Agent`.
    pub(super) user_agent: &'static str,
}

/// What the client sees at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// An order; it reached the CA.
    Order,
    /// A failure that reached the CA.
    Failed,
    /// 503 with so many seconds; it did not reach the CA.
    Busy(i64),
    /// Nothing yet.
    Held(Ticket),
}

/// A rule at work.
#[derive(Debug)]
pub(super) enum Door {
    /// So many in each second of the clock get orders.
    Counter {
        bears: f64,
        second: i64,
        served: i64,
        busy: Answer,
    },
    /// Admission; whether it tells those it turns away a second of their own.
    Gateway {
        admission: Box<Admission>,
        tells: bool,
    },
}

impl Door {
    pub(super) fn new(rule: Rule, bears: f64) -> Self {
        match rule {
            Rule::None | Rule::Fixed => Self::Counter {
                bears,
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
                    new_orders_per_second: Some(bears),
                    ceilings: Vec::new(),
                    held: HELD,
                    held_octets: usize::MAX,
                    per_account: None,
                })),
                tells: rule == Rule::Offpeak,
            },
        }
    }

    /// A client posts.
    pub(super) fn posts(&mut self, now: Moment, post: Post) -> Answer {
        match self {
            Self::Counter {
                bears,
                second,
                served,
                busy,
            } => {
                if now.second() != *second {
                    (*second, *served) = (now.second(), 0);
                }
                *served += 1;
                // Whole numbers whose mean is the rate.
                let up_to = |second: i64| whole((*bears * real(second)).floor());
                if *served <= up_to(*second + 1) - up_to(*second) {
                    Answer::Order
                } else {
                    *busy
                }
            }
            Self::Gateway { admission, tells } => {
                match admission.ask(now, &request(post, *tells)) {
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
                    } => Answer::Busy(if *tells {
                        retry_after_seconds
                    } else {
                        CONSTANT_SECONDS
                    }),
                }
            }
        }
    }

    /// What becomes of one that is held.
    pub(super) fn next(&mut self, now: Moment) -> Option<(Ticket, Answer)> {
        let Self::Gateway { admission, tells } = self else {
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
                let told = if *tells {
                    retry_after_seconds
                } else {
                    CONSTANT_SECONDS
                };
                (ticket, Answer::Busy(told))
            }
        })
    }

    /// When to ask for what becomes of those that are held.
    pub(super) fn wakes_at(&mut self, now: Moment) -> Option<Moment> {
        match self {
            Self::Counter { .. } => None,
            Self::Gateway { admission, .. } => admission.wakes_at(now),
        }
    }
}

/// What the gateway knows of a post. `hold` is the queue alone: it knows nothing.
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
