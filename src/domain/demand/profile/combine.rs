//! Several CAs' profiles as one.

use super::peaks::PeakChange;
use super::shape::{
    Basis, DaySlot, Evidence, Factor, Parts, Profile, Rate, Volume, WeekSlot, week_slots,
};
use super::{nested, version};
use crate::demand::retries::RetryBacklog;
use crate::demand::series::Series;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// A profile and its share of the volume.
type Part<'a> = (f64, &'a Profile);

pub(super) fn combine(profiles: &[&Profile]) -> Profile {
    let Some(slot_seconds) = profiles.iter().map(|p| p.slot_seconds).max() else {
        return Profile::learn(&Series::default(), Timestamp::default(), HOUR, &[]);
    };
    in_slots(profiles, slot_seconds)
}

fn in_slots(profiles: &[&Profile], slot_seconds: i64) -> Profile {
    let coarse: Vec<&Profile> = profiles
        .iter()
        .map(|p| of_length(p, slot_seconds))
        .collect();
    let all: f64 = coarse.iter().map(|p| p.mean_per_hour()).sum();
    let share = |profile: &Profile| {
        if all > 0.0 {
            profile.mean_per_hour() / all
        } else {
            // No volume is known of any: all count the same.
            1.0 / f64::from(u32::try_from(coarse.len()).unwrap_or(u32::MAX))
        }
    };
    let parts: Vec<Part<'_>> = coarse.iter().map(|p| (share(p), *p)).collect();
    let slots = usize::try_from(DAY / slot_seconds).unwrap_or(0);
    let week = usize::try_from(week_slots(slot_seconds)).unwrap_or(0);
    let mut profile = Profile {
        slot_seconds,
        version: String::new(),
        day: (0..slots).map(|slot| day_slot(&parts, slot)).collect(),
        week: (0..week).map(|slot| week_slot(&parts, slot)).collect(),
        weekdays: std::array::from_fn(|day| weekday(&parts, day)),
        minutes: minutes(&parts),
        first_of_month: first_of_month(&parts),
        volume: sum_volumes(&coarse),
        level: sum(&parts, |p| p.level),
        // Retries are absolute numbers of one CA; a combined ranking does not contain them.
        carry_over: RetryBacklog::default(),
        basis: basis(&parts),
        sync_index: weighted(&parts, |p| p.sync_index),
        parts: Parts::default(),
        peaks: peaks(&parts),
        data: coarse.iter().filter_map(|p| p.data).reduce(around),
        longer: nested::longer(slot_seconds).map(|longer| Box::new(in_slots(profiles, longer))),
        prior: None,
    };
    profile.version = version::version(&profile);
    profile
}

fn day_slot(parts: &[Part<'_>], slot: usize) -> DaySlot {
    let of = |f: &dyn Fn(&DaySlot) -> f64| sum(parts, |p| f(&p.day[slot]));
    let known = || known(parts, |p| p.day[slot].evidence);
    let coefficient = of(&|s| s.coefficient);
    let (below, above) = spread(known().map(|(share, p)| {
        let s = &p.day[slot];
        (*share, s.coefficient, s.low, s.high)
    }));
    DaySlot {
        coefficient,
        evidence: evidence(known()),
        low: (coefficient - below).max(0.0),
        high: coefficient + above,
        samples: known().map(|(_, p)| p.day[slot].samples).min().unwrap_or(0),
        coverage: of(&|s| s.coverage),
        failures: failures(parts, slot),
        latency_ms: weighted(parts, |p| p.day[slot].latency_ms),
        latency_p95_ms: weighted(parts, |p| p.day[slot].latency_p95_ms),
        retry_share: weighted(parts, |p| p.day[slot].retry_share),
    }
}

fn week_slot(parts: &[Part<'_>], slot: usize) -> WeekSlot {
    let known = || known(parts, |p| p.week[slot].evidence);
    let coefficient = sum(parts, |p| p.week[slot].coefficient);
    let (below, above) = spread(known().map(|(share, p)| {
        let s = &p.week[slot];
        (*share, s.coefficient, s.low, s.high)
    }));
    WeekSlot {
        coefficient,
        evidence: evidence(known()),
        low: (coefficient - below).max(0.0),
        high: coefficient + above,
        samples: known()
            .map(|(_, p)| p.week[slot].samples)
            .min()
            .unwrap_or(0),
    }
}

/// Errors of different CAs are independent: their squares add up.
fn spread(parts: impl Iterator<Item = (f64, f64, f64, f64)>) -> (f64, f64) {
    let (below, above) = parts.fold((0.0, 0.0), |(below, above), (share, is, low, high)| {
        (
            below + (share * (is - low)).powi(2),
            above + (share * (high - is)).powi(2),
        )
    });
    (below.sqrt(), above.sqrt())
}

fn known<'a>(
    parts: &'a [Part<'a>],
    of: impl Fn(&Profile) -> Evidence + 'a,
) -> impl Iterator<Item = &'a Part<'a>> {
    parts
        .iter()
        .filter(move |(_, p)| of(p) == Evidence::Sufficient)
}

/// Sufficient if the CAs that know it have half of the volume.
fn evidence<'a>(known: impl Iterator<Item = &'a Part<'a>>) -> Evidence {
    let shares: Vec<f64> = known.map(|(share, _)| *share).collect();
    if !shares.is_empty() && shares.iter().sum::<f64>() >= 0.5 {
        Evidence::Sufficient
    } else {
        Evidence::Insufficient
    }
}

/// Weighted by attempts, because that is how a client meets them.
fn failures(parts: &[Part<'_>], slot: usize) -> Option<Rate> {
    let reported = || {
        parts.iter().filter_map(|(share, p)| {
            let slot = &p.day[slot];
            Some((share * slot.coefficient, slot.failures?))
        })
    };
    let all: f64 = reported().map(|(weight, _)| weight).sum();
    if all <= 0.0 {
        return None;
    }
    let share = reported()
        .map(|(w, rate)| w / all * rate.share)
        .sum::<f64>();
    let parts = reported().map(|(w, rate)| (w / all, rate.share, rate.low, rate.high));
    let (below, above) = spread(parts);
    Some(Rate {
        share,
        low: (share - below).max(0.0),
        high: (share + above).min(1.0),
        samples: reported().map(|(_, rate)| rate.samples).sum(),
    })
}

fn first_of_month(parts: &[Part<'_>]) -> Option<Factor> {
    let reported = || {
        parts
            .iter()
            .filter_map(|(s, p)| Some((*s, p.first_of_month?)))
    };
    let samples = reported().map(|(_, factor)| factor.samples).min()?;
    // A CA that does not know this factor counts with 1.
    let value = 1.0 + reported().map(|(s, f)| s * (f.value - 1.0)).sum::<f64>();
    let (below, above) = spread(reported().map(|(s, f)| (s, f.value, f.low, f.high)));
    Some(Factor {
        value,
        low: (value - below).max(0.0),
        high: value + above,
        samples,
    })
}

/// Requests, if most of the volume is counted or estimated as requests.
fn basis(parts: &[Part<'_>]) -> Option<Basis> {
    let of = |basis| -> f64 {
        let parts = parts.iter().filter(|(_, p)| p.basis == Some(basis));
        parts.map(|(share, _)| share).sum()
    };
    let demand = of(Basis::Demand);
    let (estimated, issuance) = (of(Basis::Estimated), of(Basis::Issuance));
    let reported = parts.iter().any(|(_, p)| p.basis.is_some());
    reported.then_some(if demand > estimated + issuance {
        Basis::Demand
    } else if demand + estimated > issuance {
        Basis::Estimated
    } else {
        Basis::Issuance
    })
}

/// The peaks of the CA that has most of the volume, because its peak is that of all; none if no CA has.
fn peaks(parts: &[Part<'_>]) -> Vec<PeakChange> {
    let most = parts.iter().find(|(share, _)| *share > 0.5);
    most.map_or_else(Vec::new, |(_, p)| p.peaks.clone())
}

fn minutes(parts: &[Part<'_>]) -> Option<Vec<f64>> {
    (0..60)
        .map(|minute| weighted(parts, |p| p.minutes.as_ref().map(|m| m[minute])))
        .collect()
}

fn weekday(parts: &[Part<'_>], day: usize) -> Option<f64> {
    let reported = parts
        .iter()
        .any(|(share, p)| *share > 0.0 && p.weekdays[day].is_some());
    reported.then(|| sum(parts, |p| p.weekdays[day].unwrap_or(1.0)))
}

fn sum_volumes(profiles: &[&Profile]) -> Option<Volume> {
    profiles
        .iter()
        .filter_map(|p| p.volume)
        .reduce(|a, b| Volume {
            per_hour: a.per_hour + b.per_hour,
            unsteered_per_hour: a.unsteered_per_hour + b.unsteered_per_hour,
        })
}

fn around(a: Span, b: Span) -> Span {
    Span {
        from: a.from.min(b.from),
        to: a.to.max(b.to),
    }
}

fn sum(parts: &[Part<'_>], of: impl Fn(&Profile) -> f64) -> f64 {
    parts.iter().map(|(share, p)| share * of(p)).sum()
}

/// The weighted mean over the CAs that know it.
fn weighted(parts: &[Part<'_>], of: impl Fn(&Profile) -> Option<f64>) -> Option<f64> {
    let reported = || parts.iter().filter_map(|(share, p)| Some((*share, of(p)?)));
    let all: f64 = reported().map(|(share, _)| share).sum();
    (all > 0.0).then(|| reported().map(|(share, value)| share / all * value).sum())
}

/// The profile in slots of this length, or in the longest slots that are not longer.
fn of_length(profile: &Profile, slot_seconds: i64) -> &Profile {
    match &profile.longer {
        Some(longer) if profile.slot_seconds < slot_seconds => of_length(longer, slot_seconds),
        _ => profile,
    }
}
