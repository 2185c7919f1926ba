//! Counts requests by minute.

use std::collections::{BTreeMap, HashMap};

use super::agent::family;
use super::line::{Request, Step};
use crate::demand::observation::{Kind, Observation, Source};
use crate::demand::onset::{ONSET_SECONDS, halves};
use crate::math::number::{length, real, signed};
use crate::policy::ca::CaName;
use crate::time::{HOUR, MINUTE, Span, Timestamp};

/// The number of different error types per minute; further ones count as `other`.
const MOST_ERROR_TYPES: usize = 32;

/// The number of latencies stored for each minute and step. The first ones suffice to find the
/// median within a few per cent of its rank.
const MOST_LATENCIES: usize = 1_000;

/// The number of user agents whose family is cached: a CA's clients in an hour.
const MOST_AGENTS: usize = 1_000;

/// Zeros are reported for five minutes, the shortest slot: a day of them is 864 lines.
const GRAIN: i64 = 5 * MINUTE;

/// The counts from log lines.
#[derive(Debug, Default)]
pub struct Tally {
    minutes: BTreeMap<i64, Minute>,
    /// Cached families of recent user agents, if clients are counted separately.
    families: Option<HashMap<String, &'static str>>,
    /// The number of requests counted.
    pub requests: u64,
    /// The number of lines that seemed to be about demand but were not in the format.
    pub unreadable: u64,
}

#[derive(Debug, Default)]
struct Minute {
    attempts: u64,
    /// Those of them in the first half minute of an hour.
    at_once: u64,
    issued: u64,
    failed: BTreeMap<String, u64>,
    /// Requests of each client family, and how many of them failed.
    clients: BTreeMap<&'static str, (u64, u64)>,
    latencies: BTreeMap<&'static str, Vec<f64>>,
}

impl Tally {
    /// A tally that counts client families separately.
    #[must_use]
    pub fn by_client() -> Self {
        Self {
            families: Some(HashMap::new()),
            ..Self::default()
        }
    }

    /// Counts a request. A new order is an attempt, a successful finalization a certificate, and
    /// either one a failure if it does not succeed.
    pub fn add(&mut self, request: &Request<'_>) {
        self.requests += 1;
        let client = self.client(request);
        let minute = self.minutes.entry(request.at.slot(MINUTE)).or_default();
        if request.step != Step::Finalize {
            minute.attempts += 1;
            minute.at_once += u64::from(request.at.second_of_day() % HOUR < ONSET_SECONDS);
        }
        if request.succeeded && request.step != Step::NewOrder {
            minute.issued += 1;
        }
        if let Some(client) = client {
            let (tried, failed) = minute.clients.entry(client).or_default();
            *tried += 1;
            *failed += u64::from(!request.succeeded);
        }
        if !request.succeeded {
            let kind = request.error_type.as_deref().unwrap_or("");
            let known = minute.failed.contains_key(kind);
            let kind = if known || minute.failed.len() < MOST_ERROR_TYPES {
                kind
            } else {
                "other"
            };
            *minute.failed.entry(kind.to_owned()).or_default() += 1;
        }
        if let Some(latency) = request.latency_ms.filter(|ms| ms.is_finite() && *ms >= 0.0) {
            let kept = minute.latencies.entry(endpoint(request.step)).or_default();
            if kept.len() < MOST_LATENCIES {
                kept.push(latency);
            }
        }
    }

    fn client(&mut self, request: &Request<'_>) -> Option<&'static str> {
        let families = self.families.as_mut()?;
        let agent = request.agent.as_deref()?;
        if let Some(known) = families.get(agent) {
            return Some(known);
        }
        if families.len() >= MOST_AGENTS {
            families.clear();
        }
        let family = family(agent);
        families.insert(agent.to_owned(), family);
        Some(family)
    }

    /// The counts as observations of a source, plus zeros for a span in which it was alive, for the
    /// kinds that it can show.
    #[must_use]
    pub fn observations(
        &self,
        ca: &CaName,
        source: &str,
        (alive, kinds): (Option<Span>, &[Kind]),
    ) -> Vec<Observation> {
        let line = |at: Timestamp, kind, count| Observation {
            ca: ca.clone(),
            vantage: Some(source.to_owned()),
            ..Observation::plain(at, Source::Log, kind, count)
        };
        let mut rows = Vec::new();
        for (number, minute) in &self.minutes {
            let at = Timestamp::from_unix(number * MINUTE);
            minute.rows(&mut rows, |kind, count| line(at, kind, count));
        }
        let mut at = alive.map(|span| span.from);
        while let (Some(from), Some(span)) = (at, alive)
            && from < span.to
        {
            // A longer line could not be used for the shortest slots.
            let to = Timestamp::from_unix((from.slot(GRAIN) + 1) * GRAIN).min(span.to);
            let has_attempts = kinds.contains(&Kind::Attempt);
            if has_attempts && from.second_of_day() % HOUR == 0 && to - from >= MINUTE {
                // States that nothing else arrived in the first half minute.
                rows.push(halves(&line(from, Kind::Attempt, 0), 0)[0].clone());
            }
            rows.extend(kinds.iter().map(|kind| Observation {
                seconds: u32::try_from(to - from).unwrap_or(u32::MAX),
                ..line(from, *kind, 0)
            }));
            at = Some(to);
        }
        rows
    }
}

impl Minute {
    fn rows(&self, rows: &mut Vec<Observation>, line: impl Fn(Kind, u64) -> Observation) {
        let mut counted = BTreeMap::from([("new-order", self.attempts)]);
        for endpoint in self.latencies.keys() {
            counted.entry(endpoint).or_default();
        }
        for (endpoint, count) in counted {
            let latencies = self.latencies.get(endpoint).map(Vec::as_slice);
            let latencies = latencies.unwrap_or_default();
            if count > 0 || !latencies.is_empty() {
                let row = Observation {
                    endpoint: Some(endpoint.to_owned()),
                    latency_ms: quantile(latencies, 0.5),
                    latency_p95_ms: quantile(latencies, 0.95),
                    ..line(Kind::Attempt, count)
                };
                if count > 0 && row.at.second_of_day() % HOUR == 0 {
                    rows.extend(halves(&row, self.at_once));
                } else {
                    rows.push(row);
                }
            }
        }
        if self.issued > 0 {
            rows.push(line(Kind::Issued, self.issued));
        }
        for (client, (tried, failed)) in &self.clients {
            let of = |kind, count| Observation {
                dimension: Some(format!("client:{client}")),
                ..line(kind, count)
            };
            rows.extend([of(Kind::Attempt, *tried), of(Kind::Failed, *failed)]);
        }
        for (error_type, count) in &self.failed {
            rows.push(Observation {
                error_type: (!error_type.is_empty()).then(|| error_type.clone()),
                ..line(Kind::Failed, *count)
            });
        }
    }
}

const fn endpoint(step: Step) -> &'static str {
    match step {
        Step::Finalize => "finalize",
        Step::NewOrder | Step::Whole => "new-order",
    }
}

/// The quantile for this share, by nearest rank.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = signed(sorted.len()) - 1;
    let rank = (real(last.max(0)) * share).round();
    let at = (0..=last).find(|at| real(*at) >= rank)?;
    sorted.get(length(at)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Kind; 3] = [Kind::Attempt, Kind::Issued, Kind::Failed];

    fn request(second: i64, step: Step, succeeded: bool) -> Request<'static> {
        Request {
            at: Timestamp::from_unix(1_795_869_000 + second),
            step,
            succeeded,
            error_type: (!succeeded).then(|| "urn:ietf:params:acme:error:dns".into()),
            latency_ms: Some(10.0 + f64::from(u8::try_from(second).unwrap())),
            agent: Some("CertbotACMEClient/5".into()),
        }
    }

    #[test]
    fn orders_certificates_and_failures_are_counted_separately() {
        let mut tally = Tally::default();
        for (second, step, succeeded) in [
            (0, Step::NewOrder, true),
            (1, Step::NewOrder, true),
            (2, Step::NewOrder, false),
            (3, Step::Finalize, true),
            (4, Step::Finalize, false),
            (60, Step::Whole, true),
        ] {
            tally.add(&request(second, step, succeeded));
        }
        let alive = Span {
            from: Timestamp::from_unix(1_795_869_000),
            to: Timestamp::from_unix(1_795_869_120),
        };
        let rows = tally.observations(&CaName::default(), "front", (Some(alive), &ALL));
        let sum = |kind| -> u64 {
            let of = rows.iter().filter(|row| row.kind == kind);
            of.map(|row| row.count).sum()
        };
        assert_eq!(
            (sum(Kind::Attempt), sum(Kind::Issued), sum(Kind::Failed)),
            (4, 2, 2)
        );
        let orders = rows
            .iter()
            .find(|row| row.endpoint.as_deref() == Some("new-order"));
        assert_eq!(orders.unwrap().latency_ms, Some(11.0));
        let failed = rows
            .iter()
            .find(|row| row.kind == Kind::Failed && row.count > 0);
        assert_eq!(
            failed.unwrap().error_type.as_deref(),
            Some("urn:ietf:params:acme:error:dns")
        );
        assert!(
            rows.iter()
                .all(|row| row.vantage.as_deref() == Some("front"))
        );
        assert_eq!(rows.iter().filter(|row| row.seconds == 120).count(), 3);
        assert_eq!(tally.requests, 6);
    }

    #[test]
    fn clients_are_counted_separately_if_requested_without_changing_the_load() {
        let mut tallies = [Tally::default(), Tally::by_client()];
        for tally in &mut tallies {
            for number in 0..5 {
                let agent = ["certbot", "Caddy/2 CertMagic"][usize::from(number == 4)];
                tally.add(&Request {
                    agent: Some(agent.into()),
                    ..request(number + 1, Step::NewOrder, number != 0)
                });
            }
        }
        let rows =
            tallies.map(|tally| tally.observations(&CaName::default(), "front", (None, &ALL)));
        let plain: Vec<_> = rows[1]
            .iter()
            .filter(|row| row.dimension.is_none())
            .collect();
        assert_eq!(plain, rows[0].iter().collect::<Vec<_>>());
        let found: Vec<_> = rows[1]
            .iter()
            .filter(|row| row.dimension.is_some())
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|row| (row.dimension.as_deref().unwrap(), row.kind, row.count))
            .collect();
        let want = [
            ("client:caddy", Kind::Attempt, 1),
            ("client:caddy", Kind::Failed, 0),
            ("client:certbot", Kind::Attempt, 4),
            ("client:certbot", Kind::Failed, 1),
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn silence_is_reported_as_zeros_by_five_minutes() {
        let alive = Span {
            from: Timestamp::from_unix(1_795_867_200 + 60),
            to: Timestamp::from_unix(1_795_867_200 + 900),
        };
        let kinds = [Kind::Issued, Kind::Failed];
        let rows = Tally::default();
        let rows = rows.observations(&CaName::default(), "front", (Some(alive), &kinds));
        let found: Vec<_> = rows.iter().map(|row| (row.kind, row.seconds)).collect();
        let want = [240, 300, 300].map(|seconds| kinds.map(|kind| (kind, seconds)));
        assert_eq!(found, want.concat());
    }

    #[test]
    fn the_first_half_minute_of_an_hour_is_told_apart() {
        let hour = Timestamp::from_unix(1_795_867_200);
        let mut tally = Tally::default();
        for second in [0, 0, 0, 29, 30, 59, 60] {
            tally.add(&Request {
                at: hour + second,
                ..request(0, Step::NewOrder, true)
            });
        }
        let rows = tally.observations(&CaName::default(), "front", (None, &ALL));
        let found: Vec<(i64, u32, u64)> = rows
            .iter()
            .map(|row| (row.at - hour, row.seconds, row.count))
            .collect();
        assert_eq!(found, [(0, 30, 4), (30, 30, 2), (60, 60, 1)]);
    }
}
