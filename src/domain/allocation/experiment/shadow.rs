//! A second policy, computed beside the serving one: it shows what it would do, and does nothing.

use serde::Serialize;

use super::distribution::{Distribution, DistributionReport};
use crate::allocation::allocator::{Allocator, Draw};
use crate::certificate::{Basis, Certificate};
use crate::client::schedule::Schedule;
use crate::demand::profile::Profile;
use crate::ledger::{Booking, Ledger, View};
use crate::math::number::{real, real_len};
use crate::policy::ca::CaPolicy;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// The life that forecasts are made for: the one that most certificates have.
const LIFE_SECONDS: i64 = 90 * DAY;

/// A shadow and what it has drawn.
#[derive(Debug)]
pub struct Shadow {
    policy: CaPolicy,
    since: Timestamp,
    /// Begins as a copy of what serves: both ledgers take in the same certificates from then on,
    /// and neither lets go of any before its window is past.
    books: Allocator,
    served: Ledger,
    windows: Distribution,
    served_windows: Distribution,
    differing: u64,
    shift_seconds: i64,
    absolute_shift_seconds: i64,
    refused: u64,
}

/// The difference between a shadow and what serves.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowReport {
    /// Certificates registered in this process since then were compared.
    pub since: Timestamp,
    /// How many.
    pub compared: u64,
    /// How many would have another window.
    pub differing: u64,
    /// How many the shadow would have refused.
    pub refused: u64,
    /// The mean of the seconds by which the shadow's windows start later; negative: sooner.
    pub mean_shift_seconds: f64,
    /// The mean of those seconds, whatever their sign.
    pub mean_absolute_shift_seconds: f64,
    /// The policy that serves.
    pub served: PolicyReport,
    /// The shadow.
    pub shadow: PolicyReport,
}

/// The results of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// Seconds in a slot.
    pub slot_seconds: i64,
    /// When its windows start.
    #[serde(flatten)]
    pub windows: DistributionReport,
    /// The load per hour, steered and unsteered, of the hours in which windows of either start.
    pub forecast: ForecastReport,
}

/// A forecast in certificates an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForecastReport {
    /// The mean.
    pub mean: f64,
    /// The highest hour.
    pub peak: f64,
}

impl Shadow {
    /// A shadow that begins now, with what is promised already.
    #[must_use]
    pub fn new(policy: CaPolicy, promised: Ledger, now: Timestamp) -> Self {
        let mut books = Allocator::default();
        books.ledger = promised.clone();
        Self {
            policy,
            since: now,
            books,
            served: promised,
            windows: Distribution::default(),
            served_windows: Distribution::default(),
            differing: 0,
            shift_seconds: 0,
            absolute_shift_seconds: 0,
            refused: 0,
        }
    }

    /// Its policy.
    #[must_use]
    pub const fn policy(&self) -> &CaPolicy {
        &self.policy
    }

    /// Draws for a certificate that was registered, booked as `booking`, with the hash of its own
    /// draw, under `policy`: the shadow's, with what incidents close now. One of the control group is
    /// on the plain window under either policy.
    pub fn compare(
        &mut self,
        policy: &CaPolicy,
        profile: &Profile,
        certificate: &Certificate,
        booking: &Booking,
        hash: u128,
    ) {
        self.served.book(booking);
        let Certificate {
            validity,
            issued_at,
            registered_at,
            window: served,
            ..
        } = *certificate;
        let draw = Draw {
            policy,
            profile,
            now: registered_at,
            schedule: Schedule::Unknown,
            certificates: 1,
        };
        let Ok(drawn) = self.books.draw(draw, validity, issued_at, hash) else {
            self.refused += 1;
            self.books.ledger.book(booking);
            return;
        };
        // Drawn all the same, as what serves does: a table is good for so many draws.
        // What was known of the client that a window for a tick was drawn for is not known any more.
        if matches!(certificate.basis, Basis::Plain(_) | Basis::Tick(_)) {
            self.books.ledger.book(booking);
            return;
        }
        let window = drawn.window;
        self.books.ledger.book(&Booking { window, ..*booking });
        self.windows.add(window, validity, self.policy.slot_seconds);
        self.served_windows
            .add(served, validity, self.policy.slot_seconds);
        self.differing += u64::from(window != served);
        self.shift_seconds += window.from - served.from;
        self.absolute_shift_seconds += (window.from - served.from).abs();
    }

    /// Drops everything before `before`.
    pub fn trim(&mut self, before: Timestamp) {
        self.books.ledger.trim(before);
        self.served.trim(before);
    }

    /// What there is to say now.
    #[must_use]
    pub fn report(&self, profile: &Profile, now: Timestamp) -> ShadowReport {
        let compared = self.windows.count();
        let mean = |seconds: i64| {
            let count = i64::try_from(compared).unwrap_or(i64::MAX).max(1);
            real(seconds) / real(count)
        };
        let slot_seconds = self.policy.slot_seconds;
        let hours = self.hours();
        let policy = |windows: &Distribution, ledger: &Ledger| PolicyReport {
            slot_seconds,
            windows: windows.report(slot_seconds),
            forecast: forecast(ledger, &hours, &self.view(profile, now)),
        };
        ShadowReport {
            since: self.since,
            compared,
            differing: self.differing,
            refused: self.refused,
            mean_shift_seconds: mean(self.shift_seconds),
            mean_absolute_shift_seconds: mean(self.absolute_shift_seconds),
            served: policy(&self.served_windows, &self.served),
            shadow: policy(&self.windows, &self.books.ledger),
        }
    }

    /// Both forecasts are made with one view, so that nothing but the windows differs.
    fn view<'a>(&self, profile: &'a Profile, now: Timestamp) -> View<'a> {
        View {
            now,
            prior: self.policy.follow_prior,
            profile,
            life_seconds: LIFE_SECONDS,
        }
    }

    /// The hours in which windows of either policy start.
    fn hours(&self) -> Vec<Span> {
        let mut hours: Vec<i64> = [&self.windows, &self.served_windows]
            .into_iter()
            .flat_map(Distribution::starts)
            .map(|slot| Timestamp::from_unix(slot * self.policy.slot_seconds).slot(HOUR))
            .collect();
        hours.sort_unstable();
        hours.dedup();
        let span = |hour: i64| Span {
            from: Timestamp::from_unix(hour * HOUR),
            to: Timestamp::from_unix((hour + 1) * HOUR),
        };
        hours.into_iter().map(span).collect()
    }
}

fn forecast(ledger: &Ledger, hours: &[Span], view: &View<'_>) -> ForecastReport {
    let loads: Vec<f64> = hours
        .iter()
        .map(|hour| ledger.promised(*hour) + ledger.unsteered(*hour, view))
        .collect();
    ForecastReport {
        mean: loads.iter().sum::<f64>() / real_len(loads.len().max(1)),
        peak: loads.iter().copied().fold(0.0, f64::max),
    }
}
