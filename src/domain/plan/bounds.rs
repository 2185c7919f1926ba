//! A request for a plan, before it is checked.

use super::terms::{MOST_CERTIFICATES, MOST_SECONDS_AHEAD, USUAL_ORDER_SECONDS};
use crate::time::{DAY, Timestamp};

/// The slowest rate: one a day. A slower one would not finish a fleet within a year.
const LEAST_PER_MINUTE: f64 = 1.0 / 1_440.0;

/// The bounds of a plan, as requested.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// When everything must be done.
    pub deadline: Option<Timestamp>,
    /// The most orders started per minute.
    pub max_per_minute: Option<f64>,
    /// The most parallel orders.
    pub max_concurrent: Option<u32>,
    /// How long an order takes, in seconds; default [`USUAL_ORDER_SECONDS`].
    pub order_seconds: Option<i64>,
    /// The number of certificates.
    pub count: usize,
}

impl Bounds {
    /// How long an order takes, in seconds.
    #[must_use]
    pub fn order_seconds(&self) -> i64 {
        self.order_seconds.unwrap_or(USUAL_ORDER_SECONDS)
    }

    /// # Errors
    /// The invalid field, by its name in the API, and the reason.
    pub fn check(&self, now: Timestamp) -> Result<(), (&'static str, String)> {
        if self.count == 0 {
            return Err(("items", "there is no certificate to plan for".to_owned()));
        }
        if self.count > MOST_CERTIFICATES {
            let reason = format!("there are {}, {MOST_CERTIFICATES} are the most", self.count);
            return Err(("items", reason));
        }
        if let Some(deadline) = self.deadline
            && !(now + 2..=now + MOST_SECONDS_AHEAD).contains(&deadline)
        {
            let days = MOST_SECONDS_AHEAD / DAY;
            return Err((
                "deadline",
                format!("{deadline} does not lie in the next {days} days"),
            ));
        }
        let slow = |rate: &f64| !rate.is_finite() || *rate < LEAST_PER_MINUTE;
        if let Some(rate) = self.max_per_minute.filter(slow) {
            return Err((
                "maxRate",
                format!("{rate} is less than one a day (0.0007 a minute)"),
            ));
        }
        if self.max_concurrent == Some(0) {
            return Err(("maxConcurrent", "it has to be 1 or more".to_owned()));
        }
        if !(1..=DAY).contains(&self.order_seconds()) {
            let seconds = self.order_seconds();
            return Err(("orderSeconds", format!("{seconds} is not from 1 to {DAY}")));
        }
        Ok(())
    }
}
