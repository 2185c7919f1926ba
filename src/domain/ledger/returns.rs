//! The ledger's history of arrivals, from which the times of return are learned.

use super::booking::Cohort;
use super::promised::{Ledger, Life};
use crate::client::returns::{ClassHistory, History, Returns, history_hours};
use crate::math::number::real_len;
use crate::time::timeline::Timeline;
use crate::time::{HOUR, Span, Timestamp};

/// If the mean hour has at least this many certificates, an hour without any was not counted: by
/// chance there is one such hour in e^20 (Poisson), half a billion.
const NEVER_NONE: f64 = 20.0;

impl Ledger {
    /// Learns when unsteered certificates return. The spans `excluded`, such as incidents, are
    /// ignored. Call it once an hour to once a day.
    pub fn learn_returns(&mut self, now: Timestamp, excluded: &[Span]) {
        self.returns = Returns::learn(&self.history(now, excluded), &self.returns);
    }

    /// What was issued, steered and not, hour by hour up to the last full one.
    #[must_use]
    pub fn history(&self, now: Timestamp, excluded: &[Span]) -> History {
        let Some(begins) = self.begins() else {
            return History::default();
        };
        let lives = || self.lives.values().filter(|life| life.count > 0.5);
        let longest = lives().map(Life::life_seconds).max().unwrap_or(0);
        let end = now.slot(HOUR);
        let first = begins.slot(HOUR).max(end - history_hours(longest));
        let hours: Vec<Span> = (first..end)
            .map(|hour| Span {
                from: Timestamp::from_unix(hour * HOUR),
                to: Timestamp::from_unix((hour + 1) * HOUR),
            })
            .collect();
        let sums = |line: &Timeline| -> Vec<f64> {
            let sums = hours.iter().map(|hour| line.sum(*hour).max(0.0));
            sums.collect()
        };
        let classes: Vec<ClassHistory> = lives()
            .map(|life| ClassHistory {
                life_seconds: life.life_seconds(),
                issued: sums(&life.issued),
                unsteered: sums(&life.unsteered_ever),
            })
            .collect();
        let mut issued = vec![0.0; hours.len()];
        for class in &classes {
            for (sum, amount) in issued.iter_mut().zip(&class.issued) {
                *sum += amount;
            }
        }
        let mean = issued.iter().sum::<f64>() / real_len(hours.len().max(1));
        let counted = hours.iter().zip(issued).map(|(hour, issued)| {
            let missing = mean > NEVER_NONE && issued < 0.5;
            let left_out = excluded
                .iter()
                .any(|span| span.from < hour.to && hour.from < span.to);
            (!missing && !left_out).then_some(issued)
        });
        History {
            from: Timestamp::from_unix(first * HOUR),
            issued: counted.collect(),
            promised: sums(&self.promised_ever),
            classes,
        }
    }

    /// Records the expected behaviour of a cohort, for as long as it is needed.
    pub(super) fn remember(&mut self, cohort: &Cohort<'_>, sign: f64) {
        let Some(follows) = cohort.follows else {
            return;
        };
        let amount = sign * cohort.certificates;
        cohort
            .windows
            .enter_arrivals(&mut self.promised_ever, amount * follows);
        self.remember_ticks(cohort, amount * follows);
        let early_seconds = cohort.early_seconds();
        let life = self.life(cohort);
        life.early_ever
            .add(cohort.issued_at, amount * follows * early_seconds);
        life.counted_ever.add(cohort.issued_at, amount);
        life.unsteered_ever
            .add(cohort.issued_at, amount * (1.0 - follows));
        life.wavering_ever
            .add(cohort.issued_at, amount * (1.0 - follows) * follows);
    }
}
