//! A budget and a deadline that cannot both be kept.

use std::fmt;

use crate::time::Timestamp;

/// Budget and deadline cannot both be kept, or the deadline cannot be kept at all.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{}", Words(self))]
pub struct Refusal {
    /// The smallest budget, in certificates an hour including the usual load, that would work for
    /// this deadline. Infinite if none would: some clients do not poll in time, or the CA is closed
    /// until then.
    pub smallest_budget_per_hour: f64,
    /// The earliest deadline that would work for this budget. [`Timestamp::MAX`] if none within 90
    /// days would, because the usual load leaves too little of the budget.
    pub earliest_renew_by: Timestamp,
}

struct Words<'a>(&'a Refusal);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal {
            smallest_budget_per_hour: budget,
            earliest_renew_by: renew_by,
        } = *self.0;
        if budget.is_finite() {
            write!(
                f,
                "budgetPerHour and renewBy cannot both be kept: it takes a budgetPerHour of {:.0}, or \
                 overBudget, by which renewBy counts for more",
                budget.ceil()
            )?;
        } else {
            f.write_str(
                "renewBy cannot be kept at any budgetPerHour, as not every client looks again \
                 before it, or the CA is closed until then: it takes urgent",
            )?;
        }
        if renew_by < Timestamp::MAX {
            write!(f, ", or a renewBy of {renew_by}")
        } else {
            f.write_str("; no renewBy within 90 days would do")
        }
    }
}
