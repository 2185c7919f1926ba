//! The last minutes as reported, by source, endpoint and vantage.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::demand::observation::{Kind, Observation, Source};
use crate::math::number::{real, thousandths};
use crate::time::{HOUR, MINUTE, Span, Timestamp};

/// The number of minutes shown.
pub const LIVE_MINUTES: i64 = 60;
/// The number of minutes stored: those shown, and about as many more because counts arrive late;
/// 2^7.
const KEPT: i64 = 128;
/// The number of combinations of source, endpoint and vantage: nine vantages with seven endpoints
/// are 63. Each takes 128 × 64 octets, all together half a megabyte.
const MOST_SERIES: usize = 64;
/// Lines that cover up to an hour are spread over their minutes; longer ones are ignored.
const LONGEST_SECONDS: i64 = HOUR;

/// The last minutes of one CA.
#[derive(Clone, Debug, Default)]
pub struct Live(BTreeMap<Key, Vec<Minute>>);

/// The source, endpoint, vantage and reporter.
type Key = (Source, Option<String>, Option<String>, Option<String>);

/// The reports for one minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    /// The minute's number, counted from 1970.
    number: i64,
    attempts: f64,
    failed: f64,
    issued: f64,
    latency: f64,
    latency_weight: f64,
}

/// The minutes that one source reported for one endpoint from one vantage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveSeries {
    /// The source.
    pub source: Source,
    /// The ACME endpoint; `None` for all.
    pub endpoint: Option<String>,
    /// The vantage; `None` if it was not stated.
    pub vantage: Option<String>,
    /// The reporter, if it is known and the series contains only its reports.
    #[serde(skip)]
    pub reported_by: Option<String>,
    /// The minutes in order; `None` for a minute without a report.
    pub points: Vec<Option<LivePoint>>,
}

/// One minute. Numbers are rounded to a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LivePoint {
    /// Attempts, relative to the mean of the reported minutes; 0 if no minute had any.
    pub load: f64,
    /// The share of failed attempts; `None` if there were none.
    pub failure_rate: Option<f64>,
    /// Median latency in milliseconds; `None` if it was not reported.
    pub latency_ms: Option<f64>,
}

impl Live {
    /// Adds a line, spread evenly over its minutes. If there are too many series, a new one is
    /// dropped until another has fallen silent.
    pub fn add(&mut self, line: &Observation) {
        let seconds = i64::from(line.seconds.max(1));
        if seconds > LONGEST_SECONDS || line.dimension.is_some() {
            return;
        }
        let key = (
            line.source,
            line.endpoint.clone(),
            line.vantage.clone(),
            line.reported_by.clone(),
        );
        if !self.0.contains_key(&key)
            && self.0.len() >= MOST_SERIES
            && !self.make_room(line.at)
            && !self.make_room_for(line.reported_by.as_deref())
        {
            return;
        }
        let minutes = self
            .0
            .entry(key)
            .or_insert_with(|| vec![Minute::default(); slot(KEPT)]);
        let span = Span {
            from: line.at,
            to: line.at + seconds,
        };
        for number in span.from.slot(MINUTE)..=(span.to - 1).slot(MINUTE) {
            let of = Span {
                from: Timestamp::from_unix(number * MINUTE),
                to: Timestamp::from_unix((number + 1) * MINUTE),
            };
            let place = &mut minutes[slot(number.rem_euclid(KEPT))];
            if place.number > number {
                continue;
            }
            if place.number < number {
                *place = Minute {
                    number,
                    ..Minute::default()
                };
            }
            place.add(line, real(span.overlap_seconds(of)) / real(seconds));
        }
    }

    /// The [`LIVE_MINUTES`] before the minute of `now`, of each series with a report.
    #[must_use]
    pub fn combined(&self, now: Timestamp) -> Vec<LiveSeries> {
        let mut together: BTreeMap<Key, Vec<Minute>> = BTreeMap::new();
        for ((source, endpoint, vantage, _), minutes) in &self.0 {
            let key = (*source, endpoint.clone(), vantage.clone(), None);
            match together.get_mut(&key) {
                Some(others) => others
                    .iter_mut()
                    .zip(minutes)
                    .for_each(|(other, minute)| other.join(minute)),
                None => drop(together.insert(key, minutes.clone())),
            }
        }
        Self(together).by_reporter(now)
    }

    /// The same, with one series for each reporter of a vantage.
    #[must_use]
    pub fn by_reporter(&self, now: Timestamp) -> Vec<LiveSeries> {
        let first = now.slot(MINUTE) - LIVE_MINUTES;
        self.0
            .iter()
            .map(
                |((source, endpoint, vantage, reported_by), minutes)| LiveSeries {
                    source: *source,
                    endpoint: endpoint.clone(),
                    vantage: vantage.clone(),
                    reported_by: reported_by.clone(),
                    points: points(minutes, first),
                },
            )
            .filter(|series| series.points.iter().any(Option::is_some))
            .collect()
    }

    /// Removes series without a report in the stored time before `at`; returns whether there was
    /// one.
    fn make_room(&mut self, at: Timestamp) -> bool {
        let oldest = at.slot(MINUTE) - KEPT;
        let before = self.0.len();
        self.0
            .retain(|_, minutes| minutes.iter().any(|minute| minute.number > oldest));
        self.0.len() < before
    }

    /// Removes a series of the reporter with the most series, if it has more than `reported_by`, so
    /// that nobody can displace others by inventing names. Returns whether there was one.
    fn make_room_for(&mut self, reported_by: Option<&str>) -> bool {
        let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for (.., of) in self.0.keys() {
            *counts.entry(of.as_deref()).or_default() += 1;
        }
        let own = counts.get(&reported_by).copied().unwrap_or_default();
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        let Some((Some(loudest), _)) = most.filter(|(_, count)| *count > own + 1) else {
            return false;
        };
        let of_him = |(.., of): &&Key| of.as_deref() == Some(loudest);
        let last = self.0.keys().rfind(of_him).cloned();
        last.is_some_and(|key| self.0.remove(&key).is_some())
    }
}

impl Minute {
    /// Adds another reporter's minutes. Of two reports for a minute the later one is kept.
    fn join(&mut self, other: &Self) {
        if other.number > self.number {
            *self = *other;
        } else if other.number == self.number {
            self.attempts += other.attempts;
            self.failed += other.failed;
            self.issued += other.issued;
            self.latency += other.latency;
            self.latency_weight += other.latency_weight;
        }
    }

    fn add(&mut self, line: &Observation, share: f64) {
        let count = real(i64::try_from(line.count).unwrap_or(i64::MAX)) * share;
        match line.kind {
            Kind::Attempt => self.attempts += count,
            Kind::Failed => self.failed += count,
            Kind::Issued => self.issued += count,
        }
        if let Some(latency) = line.latency_ms {
            // A probe without a count is one measurement.
            let weight = count.max(1.0);
            self.latency += latency * weight;
            self.latency_weight += weight;
        }
    }

    fn tried(&self) -> f64 {
        self.attempts.max(self.issued + self.failed)
    }
}

fn points(minutes: &[Minute], first: i64) -> Vec<Option<LivePoint>> {
    let combined: Vec<Option<Minute>> = (first..first + LIVE_MINUTES)
        .map(|number| minutes[slot(number.rem_euclid(KEPT))])
        .zip(first..)
        .map(|(minute, number)| (minute.number == number).then_some(minute))
        .collect();
    let known: Vec<f64> = combined.iter().flatten().map(Minute::tried).collect();
    let mean = known.iter().sum::<f64>() / real(i64::try_from(known.len()).unwrap_or(1).max(1));
    combined
        .into_iter()
        .map(|minute| {
            let minute = minute?;
            let tried = minute.tried();
            Some(LivePoint {
                load: thousandths(if mean > 0.0 { tried / mean } else { 0.0 }),
                failure_rate: (tried > 0.0).then(|| thousandths((minute.failed / tried).min(1.0))),
                latency_ms: (minute.latency_weight > 0.0)
                    .then(|| thousandths(minute.latency / minute.latency_weight)),
            })
        })
        .collect()
}

fn slot(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_255_200);

    fn line(minutes_ago: i64, endpoint: &str, kind: Kind, count: u64) -> Observation {
        let at = NOW - minutes_ago * MINUTE;
        Observation {
            endpoint: Some(endpoint.to_owned()),
            vantage: Some("frankfurt".to_owned()),
            ..Observation::plain(at, Source::Observer, kind, count)
        }
    }

    #[test]
    fn the_directory_may_be_well_while_new_orders_fail() {
        let mut live = Live::default();
        for ago in 1..=60 {
            live.add(&line(ago, "directory", Kind::Attempt, 2));
            live.add(&line(ago, "new-order", Kind::Attempt, 2));
            live.add(&line(
                ago,
                "new-order",
                Kind::Failed,
                if ago <= 10 { 2 } else { 0 },
            ));
        }
        let combined = live.combined(NOW);
        let endpoints: Vec<_> = combined
            .iter()
            .map(|series| series.endpoint.as_deref())
            .collect();
        assert_eq!(endpoints, [Some("directory"), Some("new-order")]);
        assert!(combined.iter().all(|series| series.points.len() == 60));
        let last = |number: usize| combined[number].points[59].and_then(|point| point.failure_rate);
        assert_eq!((last(0), last(1)), (Some(0.0), Some(1.0)));
        assert_eq!(
            combined[1].points[0].and_then(|point| point.failure_rate),
            Some(0.0)
        );
    }

    #[test]
    fn a_minute_without_a_report_is_a_gap_and_old_minutes_are_dropped() {
        let mut live = Live::default();
        live.add(&line(61, "directory", Kind::Attempt, 9));
        live.add(&line(3, "directory", Kind::Attempt, 1));
        live.add(&line(1, "directory", Kind::Attempt, 0));
        // The present minute is not over yet.
        live.add(&line(0, "directory", Kind::Attempt, 5));
        let points = &live.combined(NOW)[0].points;
        let known: Vec<usize> = (0..60).filter(|at| points[*at].is_some()).collect();
        assert_eq!(known, [57, 59]);
        assert_eq!(
            points[59].map(|point| (point.load, point.failure_rate)),
            Some((0.0, None))
        );
        assert!(live.combined(NOW + 3 * HOUR).is_empty());
    }

    #[test]
    fn who_makes_up_vantages_silences_nobody() {
        let combined = |by: &str, vantage: usize| Observation {
            vantage: Some(vantage.to_string()),
            reported_by: Some(format!("token:{by}")),
            ..line(1, "directory", Kind::Attempt, 1)
        };
        let mut live = Live::default();
        (0..1_000).for_each(|vantage| live.add(&combined("liar", vantage)));
        live.add(&combined("oslo", 0));
        let apart = live.by_reporter(NOW);
        assert_eq!(apart.len(), MOST_SERIES);
        let oslo = |one: &&LiveSeries| one.reported_by.as_deref() == Some("token:oslo");
        assert_eq!(apart.iter().filter(oslo).count(), 1);
        // In the combined view a vantage is one series, whoever reports it.
        live.add(&Observation {
            kind: Kind::Failed,
            ..combined("oslo", 0)
        });
        let together = live.combined(NOW);
        assert_eq!(together.len(), MOST_SERIES - 1);
        assert!(together.iter().all(|one| one.reported_by.is_none()));
        let of_both = together
            .iter()
            .find(|one| one.vantage.as_deref() == Some("0"));
        let last = of_both.and_then(|one| one.points[59]);
        assert_eq!(last.and_then(|point| point.failure_rate), Some(0.5));
    }

    #[test]
    fn no_more_series_are_kept_than_the_bound() {
        let mut live = Live::default();
        for number in 0..100 {
            live.add(&line(2, &number.to_string(), Kind::Attempt, 1));
        }
        assert_eq!(live.combined(NOW).len(), MOST_SERIES);
        let later = Observation {
            at: NOW + 3 * HOUR,
            ..line(0, "later", Kind::Attempt, 1)
        };
        live.add(&later);
        assert_eq!(live.combined(NOW + 3 * HOUR + MINUTE).len(), 1);
    }
}
