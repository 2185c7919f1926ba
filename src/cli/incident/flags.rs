//! The meaning of command-line flags, and errors that name the flags.

use crate::domain::time::Timestamp;
use crate::engine::{IncidentError, Intent};

pub(super) const fn intent(dry_run: bool) -> Intent {
    if dry_run {
        Intent::DryRun
    } else {
        Intent::InEarnest
    }
}

/// An error in terms of command-line flags instead of the API's fields.
pub(super) fn by_flags(error: IncidentError) -> anyhow::Error {
    let IncidentError::Refused(refusal) = error else {
        return error.into();
    };
    let budget = refusal.smallest_budget_per_hour;
    let later = match refusal.earliest_renew_by {
        Timestamp::MAX => "; no deadline within 90 days would do".to_owned(),
        renew_by => format!(", or --renew-by {renew_by}"),
    };
    if budget.is_finite() {
        anyhow::anyhow!(
            "the budget and the deadline cannot both be kept: it takes --over-budget, by which the \
             deadline counts for more, or --budget-per-hour {:.0}{later}",
            budget.ceil()
        )
    } else {
        anyhow::anyhow!(
            "the deadline cannot be kept at any budget, as not every client looks again before it, \
             or the CA is closed until then: it takes --urgent{later}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moves::incident::Refusal;

    #[test]
    fn a_refused_budget_names_the_flags_that_would_do() {
        let refused = |smallest_budget_per_hour, earliest_renew_by| {
            let refusal = Refusal {
                smallest_budget_per_hour,
                earliest_renew_by,
            };
            by_flags(refusal.into()).to_string()
        };
        let renew_by = Timestamp::from_unix(1_795_341_600);
        let text = refused(4_999.5, renew_by);
        for part in [
            "--over-budget",
            "--budget-per-hour 5000",
            "--renew-by 2026-11-22T10:00:00Z",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = refused(f64::INFINITY, Timestamp::MAX);
        assert!(
            text.contains("--urgent; no deadline within 90 days"),
            "{text}"
        );
        assert!(!text.contains("--over-budget"), "it would not help: {text}");
    }
}
