//! A second policy, computed for every registration to show what it would do. It is never served.

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

/// The life for which forecasts are made, in seconds; most certificates have it.
const LIFE_SECONDS: i64 = 90 * DAY;

/// A shadow policy and what it has drawn.
#[derive(Debug)]
pub struct Shadow {
    policy: CaPolicy,
    since: Timestamp,
    /// Begins with a copy of the serving ledger. Both ledgers then take in the same certificates, and
    /// neither removes one before its window is past.
    allocator: Allocator,
    served: Ledger,
    windows: Distribution,
    served_windows: Distribution,
    differing: u64,
    shift_seconds: i64,
    absolute_shift_seconds: i64,
    refused: u64,
}

/// The difference between the shadow policy and the serving one.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowReport {
    /// Only certificates registered in this process since this time were compared.
    pub since: Timestamp,
    /// How many certificates were compared.
    pub compared: u64,
    /// How many of them would have another window.
    pub differing: u64,
    /// How many certificates the shadow policy would have refused.
    pub refused: u64,
    /// The mean of the seconds by which the shadow's windows start later; negative if earlier.
    pub mean_shift_seconds: f64,
    /// The mean of the absolute values of these seconds.
    pub mean_absolute_shift_seconds: f64,
    /// The results of the serving policy.
    pub served: PolicyReport,
    /// The results of the shadow policy.
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
    /// The expected load of the hours in which windows of either policy start, steered and unsteered.
    pub forecast: ForecastReport,
}

/// A forecast in certificates per hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForecastReport {
    /// The mean.
    pub mean: f64,
    /// The highest hour.
    pub peak: f64,
}

impl Shadow {
    /// A shadow policy that begins now, with the load promised so far.
    #[must_use]
    pub fn new(policy: CaPolicy, promised: Ledger, now: Timestamp) -> Self {
        let mut allocator = Allocator::default();
        allocator.ledger = promised.clone();
        Self {
            policy,
            since: now,
            allocator,
            served: promised,
            windows: Distribution::default(),
            served_windows: Distribution::default(),
            differing: 0,
            shift_seconds: 0,
            absolute_shift_seconds: 0,
            refused: 0,
        }
    }

    /// The shadow policy.
    #[must_use]
    pub const fn policy(&self) -> &CaPolicy {
        &self.policy
    }

    /// Draws a window for a registered certificate by the shadow policy. `policy` is the shadow policy
    /// together with what incidents close now, `booking` is how the serving ledger books the
    /// certificate, and `hash` is that of its own draw. A certificate of the control group has the
    /// plain window under both policies.
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
        let Ok(drawn) = self.allocator.draw(draw, validity, issued_at, hash) else {
            self.refused += 1;
            self.allocator.ledger.book(booking);
            return;
        };
        // The draw above was needed all the same, because it counts against the table's quota as in the
        // serving policy. A window for a tick is not compared: what was known of the client when it was
        // drawn is not known here.
        if matches!(certificate.basis, Basis::Plain(_) | Basis::Tick(_)) {
            self.allocator.ledger.book(booking);
            return;
        }
        let window = drawn.window;
        self.allocator.ledger.book(&Booking { window, ..*booking });
        self.windows.add(window, validity, self.policy.slot_seconds);
        self.served_windows
            .add(served, validity, self.policy.slot_seconds);
        self.differing += u64::from(window != served);
        self.shift_seconds += window.from - served.from;
        self.absolute_shift_seconds += (window.from - served.from).abs();
    }

    /// Drops the load before `before`.
    pub fn trim(&mut self, before: Timestamp) {
        self.allocator.ledger.trim(before);
        self.served.trim(before);
    }

    /// The comparison as it is now.
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
            shadow: policy(&self.windows, &self.allocator.ledger),
        }
    }

    /// One view for both forecasts, so that they differ in nothing but the windows.
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
