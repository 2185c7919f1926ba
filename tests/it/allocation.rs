//! Design section 5 on tables and cohorts, without a store: what is drawn, and how it falls.

use offpeak::domain::allocation::allocator::{Allocator, Draw, Drawn};
use offpeak::domain::allocation::band::{Arrival, Place, SHORTEST_WINDOW_SECONDS, place};
use offpeak::domain::allocation::table::{Reason, Table};
use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::hash::{HashKey, Purpose, lower_unit};
use offpeak::domain::certificate::{Basis, Validity};
use offpeak::domain::client::schedule::{Response, Schedule};
use offpeak::domain::demand::observation::{Kind, Observation, Source};
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::ledger::{Booking, Cohort, Expected, View, Windows};
use offpeak::domain::math::number::{real, real_len, whole};
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::time::{DAY, HOUR, MINUTE, Span, Timestamp, WEEK};

mod bands;
mod capacity;
mod foreseen;
mod imports;
mod levels;
mod seconds;
mod tables;
mod ticks;

/// A Saturday.
const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

fn policy() -> CaPolicy {
    CaPolicy::named(CaName::default())
}

fn id(n: u64) -> CertId {
    CertId {
        key_identifier: KeyIdentifier::new(&[7; 20]).unwrap(),
        serial: Serial::new(&n.to_be_bytes()).unwrap(),
    }
}

fn hash(n: u64) -> u128 {
    HashKey::new(*b"sixteen octets!!").hash(Purpose::Window1, &id(n), 0)
}

fn life(not_before: Timestamp, seconds: i64) -> Validity {
    Validity {
        not_before,
        not_after: not_before + (seconds - 1),
    }
}

fn nothing_known() -> Profile {
    Profile::learn(&Series::default(), NOW, HOUR, &[])
}

/// Four weeks of the CA's own counts, `shape` certificates in each hour of the day.
fn four_weeks(shape: &[f64; 24]) -> Profile {
    let mut series = Series::default();
    let from = NOW - 4 * WEEK;
    for hour in 0..4 * 7 * 24_i64 {
        let at = from + hour * HOUR;
        for minute in 0..60 {
            let count = shape[usize::try_from(at.second_of_day() / HOUR).unwrap()] / 60.0;
            series.add(&Observation::plain(
                at + minute * MINUTE,
                Source::Ca,
                Kind::Issued,
                u64::try_from(whole(count.round())).unwrap(),
            ));
        }
    }
    Profile::learn(&series, NOW, HOUR, &[])
}

/// 01:00 at twice the mean of 60,000 an hour.
fn one_o_clock() -> [f64; 24] {
    let mut shape = [22.0 / 23.0 * 60_000.0; 24];
    shape[1] = 120_000.0;
    shape
}

struct Registry {
    policy: CaPolicy,
    profile: Profile,
    allocator: Allocator,
    tables: Vec<Table>,
    /// For how many certificates a draw stands.
    each: u64,
    /// How the clients wake.
    schedule: Schedule,
}

impl Registry {
    fn new(policy: CaPolicy, profile: Profile) -> Self {
        Self {
            policy,
            profile,
            allocator: Allocator::default(),
            tables: Vec::new(),
            each: 1,
            schedule: Schedule::Unknown,
        }
    }

    /// Draws and books certificate `n`, as registration does.
    fn register(
        &mut self,
        n: u64,
        validity: Validity,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Drawn {
        let draw = Draw {
            policy: &self.policy,
            profile: &self.profile,
            now,
            schedule: self.schedule,
            certificates: self.each,
        };
        let drawn = self
            .allocator
            .draw(draw, validity, issued_at, hash(n))
            .unwrap();
        if let Some(stored) = &drawn.table {
            self.tables
                .push(serde_json::from_slice(&stored.bytes).unwrap());
            self.allocator.durable(&[stored.number]);
        }
        self.allocator.ledger.book_cohort(&Cohort {
            windows: Windows::One(drawn.window, Response::default()),
            issued_at,
            life_seconds: validity.life_seconds(),
            follows: drawn.follows,
            certificates: real(i64::try_from(self.each).unwrap()),
        });
        drawn
    }
}

/// χ² of counts against expectations, and the bound that chance crosses once in 10,000 times
/// (Wilson and Hilferty's cube, z = 3.72).
fn assert_in_proportion(counts: &[f64], expected: &[f64]) {
    let chi2: f64 = counts
        .iter()
        .zip(expected)
        .filter(|(_, expected)| **expected > 0.0)
        .map(|(count, expected)| (count - expected).powi(2) / expected)
        .sum();
    let freedom = real_len(expected.iter().filter(|expected| **expected > 0.0).count()) - 1.0;
    let third = 2.0 / (9.0 * freedom);
    let bound = freedom * (1.0 - third + 3.72 * third.sqrt()).powi(3);
    assert!(
        chi2 < bound,
        "χ² {chi2:.1} for {freedom} degrees of freedom, bound {bound:.1}"
    );
    for (count, expected) in counts.iter().zip(expected) {
        assert!(
            *expected > 0.0 || *count == 0.0,
            "a slot of weight 0 was drawn"
        );
    }
}
