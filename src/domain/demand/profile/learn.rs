//! From a series to a profile.

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
    /// Learns from a series what load to expect in slots of `slot_seconds` (3600, 1800, 900 or
    /// 300). Nothing after `now` is looked at, and nothing within `excluded` (the hours of
    /// incidents). The same arguments give the same profile, bit for bit.
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
        profile.tell_retries(&carry_over);
        profile.carry_over = carry_over;
        profile
    }

    /// Several CAs' profiles as one: each slot's coefficient is what all of them together expect
    /// there, so each counts by its mean volume; a CA that does not know a slot is taken to be at
    /// its mean there, and the slot is known where those that know it have half of the volume.
    /// Where no volume is known, all count alike. The slots are the longest of any.
    #[must_use]
    pub fn combine(profiles: &[&Self]) -> Self {
        combine::combine(profiles)
    }

    /// Retries are known by the hour: each of its slots has its hour's share.
    fn tell_retries(&mut self, carry_over: &RetryBacklog) {
        let per_hour = (self.day.len() / 24).max(1);
        for (number, slot) in self.day.iter_mut().enumerate() {
            slot.retry_share = carry_over.share_of_hour(number / per_hour);
        }
        if let Some(longer) = &mut self.longer {
            longer.tell_retries(carry_over);
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
            weighed.nest(&longer.told_week());
        }
        let day = weigh::days(&grid, &fit, &weighed, now);
        let mut profile = if let Some(longer) = longer {
            // What is no matter of slots is the same in slots of any length.
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

/// Requests, where they were told, or estimated, in most of the minutes that are known of late.
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
