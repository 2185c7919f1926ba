//! Learns a profile from a series.

use super::fit::Fit;
use super::grid::Grid;
use super::shape::{Basis, Parts, Profile};
use super::{combine, nested, peaks, rates, version, volume, weigh};
use crate::demand::breakdown::Label;
use crate::demand::retries::RetryBacklog;
use crate::demand::series::Series;
use crate::demand::series::reading::Reader;
use crate::time::{Span, Timestamp};

impl Profile {
    /// Learns from a series which load to expect in slots of `slot_seconds` (3600, 1800, 900 or 300).
    /// Observations after `now` or within `excluded` (the hours of incidents) are not used. The same
    /// arguments give the same profile, bit for bit.
    #[must_use]
    pub fn learn(series: &Series, now: Timestamp, slot_seconds: i64, excluded: &[Span]) -> Self {
        let carry_over = RetryBacklog::learn(series, now, excluded);
        let mut profile = Self::in_slots(series, now, slot_seconds, excluded);
        let parts = |label| series.breakdown.by_slot(label, now, slot_seconds);
        profile.parts = Parts {
            dimensions: parts(Label::Dimension),
            endpoints: parts(Label::Endpoint),
            error_types: parts(Label::ErrorType),
        };
        profile.sync_index = series.onsets.share(now);
        profile.set_retry_shares(&carry_over);
        profile.carry_over = carry_over;
        profile
    }

    /// Combines the profiles of several CAs. The coefficient of each slot is computed from the expected
    /// load of all of them together, so each CA counts by its mean volume. If a CA does not know a
    /// slot, its mean load is assumed there. A slot is known if the CAs that know it have half of the
    /// volume. If no volume is known, all CAs count the same. The slots are as long as the longest of
    /// any CA.
    #[must_use]
    pub fn combine(profiles: &[&Self]) -> Self {
        combine::combine(profiles)
    }

    /// Retries are known by the hour; each slot gets the share of its hour.
    fn set_retry_shares(&mut self, carry_over: &RetryBacklog) {
        let per_hour = (self.day.len() / 24).max(1);
        for (number, slot) in self.day.iter_mut().enumerate() {
            slot.retry_share = carry_over.share_of_hour(number / per_hour);
        }
        if let Some(longer) = &mut self.longer {
            longer.set_retry_shares(carry_over);
        }
    }

    fn in_slots(series: &Series, now: Timestamp, slot_seconds: i64, excluded: &[Span]) -> Self {
        let longer = nested::longer(slot_seconds)
            .map(|seconds| Self::in_slots(series, now, seconds, excluded));
        let reader = Reader::new(series, now, slot_seconds, excluded);
        let grid = Grid::read(&reader, now, slot_seconds);
        let fit = Fit::of(&grid);
        let mut weighed = weigh::weigh(&grid, &fit);
        if let Some(longer) = &longer {
            weighed.nest(&longer.known_week());
        }
        let day = weigh::days(&grid, &fit, &weighed, now);
        let mut profile = if let Some(longer) = longer {
            // These values do not depend on the length of slots.
            Self {
                slot_seconds,
                day,
                week: weighed.slots,
                longer: Some(Box::new(longer.clone())),
                ..longer
            }
        } else {
            let volume = volume::volume(&grid, &fit, &weighed.slots, now);
            Self {
                slot_seconds,
                version: String::new(),
                day,
                weekdays: weigh::weekdays(&grid, &fit),
                minutes: rates::minutes(&grid),
                first_of_month: weigh::first_of_month(&grid, &fit),
                level: volume::level(&grid, &fit, &weighed.slots, now, volume),
                volume,
                carry_over: RetryBacklog::default(),
                basis: basis(&grid),
                sync_index: None,
                parts: Parts::default(),
                peaks: peaks::changes(&grid, slot_seconds),
                data: grid.data,
                week: weighed.slots,
                longer: None,
                prior: None,
            }
        };
        profile.widen();
        profile.version = version::version(&profile);
        profile
    }
}

/// Requests, if they were reported or estimated in most of the known recent minutes.
const fn basis(grid: &Grid) -> Option<Basis> {
    match grid.minutes_of_late {
        [0, ..] => None,
        [known, requests, _] if 2 * requests >= known => Some(Basis::Demand),
        [known, requests, estimated] if 2 * (requests + estimated) >= known => {
            Some(Basis::Estimated)
        }
        _ => Some(Basis::Issuance),
    }
}
