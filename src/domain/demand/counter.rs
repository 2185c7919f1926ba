//! The growth of Prometheus counters, minute by minute.

use crate::math::number::{length, real, real_len, signed, whole};
use crate::time::MINUTE;

/// The longest gap between two samples, in seconds. The growth between two samples is spread evenly
/// over the time between them; with a longer gap it would be too uncertain when it happened.
pub const MOST_GAP_SECONDS: i64 = 15 * MINUTE;

/// Samples with gaps up to this, in seconds, have a resolution of a minute: two scrapes of the usual
/// interval.
const FINE_SECONDS: f64 = 120.0;

/// When the samples were taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// At the instants that come with them.
    AsGiven,
    /// At an unknown earlier time, by several scrapes, as for the result of an expression.
    Before,
}

/// The growth of counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Growth {
    /// The spans of whole minutes whose growth is known, in order. Each is as long as the samples are
    /// apart.
    pub spans: Vec<Grown>,
    /// The end of what is final, in Unix seconds: spans after it may still be reported.
    pub settled: i64,
}

/// The growth of counters in one span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grown {
    /// The beginning of the span in Unix seconds, at a whole minute.
    pub from: i64,
    /// The length in seconds, whole minutes.
    pub seconds: i64,
    /// The number of events. Some may belong to the span before or after.
    pub events: f64,
}

/// The growth of counters within `[from, to)`, which are whole minutes in Unix seconds. Each series is
/// a list of (instant, value), in ascending order; samples before `from` help, too.
///
/// Unknown are minutes in which a counter fell because its process restarted, minutes without samples
/// for longer than [`MOST_GAP_SECONDS`], and minutes that no series covers completely. A series whose
/// last sample is that old has ended; until then, later minutes of the other series wait for it. If
/// series are sums of others, a fall that is soon followed by an equal rise means that some of the
/// others were missing for a while: that is not growth.
#[must_use]
pub fn growth(series: &[Vec<(f64, f64)>], (from, to): (i64, i64), taken: Taken) -> Growth {
    let mut minutes = Minutes::new(from, to);
    let mut settled = real(to);
    for samples in series {
        let samples = distinct(samples);
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            continue;
        };
        if real(to) - last.0 <= real(MOST_GAP_SECONDS) {
            settled = settled.min(last.0);
        } else {
            // The growth after its last sample is lost.
            minutes.forget(last.0, last.0 + real(MINUTE));
        }
        minutes.cover(first.0, last.0);
        let mut fell_by: Option<f64> = None;
        for pair in samples.windows(2) {
            let &[(begin, before), (end, after)] = pair else {
                continue;
            };
            let grown = after - before;
            let is_back = taken == Taken::Before && fell_by.is_some_and(|fell| grown * 2.0 >= fell);
            if grown < 0.0 {
                fell_by = Some(-grown);
            } else if is_back {
                fell_by = None;
            }
            if grown < 0.0 || is_back || end - begin > real(MOST_GAP_SECONDS) {
                minutes.forget(begin, end);
            } else {
                minutes.add(begin, end, grown);
            }
        }
    }
    let minute = |at: f64| whole((at / real(MINUTE)).floor()) * MINUTE;
    let settled = minute(settled).clamp(from, to.max(from));
    let (spans, settled) = minutes.settled_spans(settled);
    Growth { spans, settled }
}

/// Without values that are not numbers, and without repetitions of the same sample.
fn distinct(samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut found: Vec<(f64, f64)> = Vec::with_capacity(samples.len());
    for (at, value) in samples.iter().filter(|(_, value)| value.is_finite()) {
        // Prometheus has a resolution of a millisecond.
        if found.last().is_none_or(|(last, _)| at - last > 0.000_5) {
            found.push((*at, *value));
        }
    }
    found
}

/// What is known of each minute.
struct Minutes {
    from: i64,
    minutes: Vec<Minute>,
}

#[derive(Clone, Copy, Default)]
struct Minute {
    events: f64,
    /// Whether a series covers all of it.
    covered: bool,
    unknown: bool,
    /// The longest gap between the samples that cover it, in seconds.
    gap_seconds: f64,
}

impl Minutes {
    fn new(from: i64, to: i64) -> Self {
        Self {
            from,
            minutes: vec![Minute::default(); length((to - from) / MINUTE)],
        }
    }

    /// The minutes that overlap a span, each with its overlap in seconds.
    fn touched(&mut self, begin: f64, end: f64) -> impl Iterator<Item = (f64, &mut Minute)> {
        let since = |at: f64| (at - real(self.from)) / real(MINUTE);
        let all = signed(self.minutes.len());
        let first = whole(since(begin).floor()).clamp(0, all);
        let last = whole(since(end).ceil()).clamp(first, all);
        let from = real(self.from);
        let minutes = &mut self.minutes[length(first)..length(last)];
        (first..).zip(minutes).map(move |(number, minute)| {
            let start = from + real(number * MINUTE);
            let inside = end.min(start + real(MINUTE)) - begin.max(start);
            (inside.max(0.0), minute)
        })
    }

    fn forget(&mut self, begin: f64, end: f64) {
        for (inside, minute) in self.touched(begin, end) {
            minute.unknown |= inside > 0.0;
        }
    }

    fn cover(&mut self, begin: f64, end: f64) {
        for (inside, minute) in self.touched(begin, end) {
            minute.covered |= inside >= real(MINUTE) - 0.001;
        }
    }

    fn add(&mut self, begin: f64, end: f64, events: f64) {
        let gap_seconds = end - begin;
        for (inside, minute) in self.touched(begin, end) {
            if inside > 0.0 {
                minute.events += events * inside / gap_seconds;
                minute.gap_seconds = minute.gap_seconds.max(gap_seconds);
            }
        }
    }

    /// The known spans up to an instant, each as long as its samples are apart, and the end of the
    /// last. A span that is not complete by then is returned later.
    fn settled_spans(&self, until: i64) -> (Vec<Grown>, i64) {
        let settled = length((until - self.from) / MINUTE);
        let known = |at: usize| {
            let minute = self.minutes.get(at)?;
            let is_known = minute.covered && !minute.unknown && minute.events.is_finite();
            (is_known && at < settled).then_some(minute)
        };
        let mut spans = Vec::new();
        let mut at = 0;
        while at < self.minutes.len() {
            let Some(first) = known(at) else {
                at += 1;
                continue;
            };
            let most = if first.gap_seconds <= FINE_SECONDS {
                1
            } else {
                length(whole((first.gap_seconds / real(MINUTE)).ceil()))
            };
            let events: Vec<f64> = (at..at + most)
                .map_while(|at| known(at).map(|minute| minute.events))
                .collect();
            if events.len() < most && at + events.len() == settled {
                return (spans, self.from + signed(at) * MINUTE);
            }
            spans.push(Grown {
                from: self.from + signed(at) * MINUTE,
                seconds: whole(real_len(events.len())) * MINUTE,
                events: events.iter().sum(),
            });
            at += events.len();
        }
        (spans, until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each span: its beginning, its length in minutes, its rounded growth.
    fn settled_spans(growth: &Growth) -> Vec<(i64, i64, i64)> {
        let rounded = |one: &Grown| {
            (
                one.from / MINUTE,
                one.seconds / MINUTE,
                whole((one.events * 10.0).round()),
            )
        };
        growth.spans.iter().map(rounded).collect()
    }

    /// A series that is scraped every `every` seconds and grows by one each second.
    fn scraped(from: i64, every: i64, until: i64) -> Vec<(f64, f64)> {
        (from..until)
            .step_by(usize::try_from(every).unwrap())
            .map(|at| (real(at), real(at)))
            .collect()
    }

    #[test]
    fn a_counter_that_falls_is_not_known_and_never_zero() {
        let one = vec![
            (0.0, 100.0),
            (60.0, 107.0),
            (120.0, 3.0),
            (180.0, 5.0),
            (240.0, 5.0),
        ];
        let other = vec![
            (0.0, 1.0),
            (60.0, 2.0),
            (120.0, 4.0),
            (180.0, f64::NAN),
            (240.0, 8.0),
        ];
        let found = growth(&[one.clone(), other], (0, 240), Taken::AsGiven);
        assert_eq!(settled_spans(&found), [(0, 1, 80), (2, 1, 40), (3, 1, 20)]);
        assert_eq!(found.settled, 240);
        assert_eq!(
            settled_spans(&growth(&[one], (0, 240), Taken::AsGiven)),
            [(0, 1, 70), (2, 1, 20), (3, 1, 0)]
        );
        assert!(growth(&[], (0, 240), Taken::AsGiven).spans.is_empty());
    }

    #[test]
    fn what_is_scraped_rarely_is_spread_and_has_neither_zeros_nor_peaks() {
        // As range queries return it: each sample is repeated until the next.
        let mut seen: Vec<(f64, f64)> = Vec::new();
        for sample in scraped(17, 300, 3_600) {
            seen.extend([sample; 5]);
        }
        let found = growth(&[seen], (0, 3_600), Taken::AsGiven);
        // The last sample is at 55:17, and only complete spans are returned.
        assert_eq!(found.settled, 51 * MINUTE);
        let settled_spans = settled_spans(&found);
        assert!(
            settled_spans
                .iter()
                .all(|(_, long, events)| *events == long * 600),
            "{settled_spans:?}"
        );
        let known: i64 = settled_spans.iter().map(|(_, long, _)| long).sum();
        // The first minute has no sample before it.
        assert_eq!(known, 50);
        // Longer than a minute, so that nothing is said about shorter slots.
        assert!(settled_spans.iter().all(|(_, long, _)| *long == 5));
        // With longer gaps it is unknown when the growth happened.
        let rare = growth(&[scraped(0, 3_600, 90_000)], (0, 86_400), Taken::AsGiven);
        assert!(rare.spans.is_empty(), "{rare:?}");
    }

    #[test]
    fn a_series_that_is_not_scraped_is_waited_for_and_then_gone() {
        let steady = scraped(0, 60, 3_601);
        let mut away = scraped(0, 60, 1_201);
        let both = |away: &Vec<(f64, f64)>, to| {
            growth(&[steady.clone(), away.clone()], (0, to), Taken::AsGiven)
        };
        assert_eq!(both(&away, 1_800).settled, 1_200);
        let gone = both(&away, 3_600);
        assert_eq!(gone.settled, 3_600);
        let growth_in = |growth: &Growth, minute| {
            let settled_spans = settled_spans(growth);
            settled_spans
                .iter()
                .find(|one| one.0 == minute)
                .map(|one| one.2)
        };
        assert_eq!(
            (growth_in(&gone, 19), growth_in(&gone, 20)),
            (Some(1_200), None)
        );
        assert_eq!(growth_in(&gone, 21), Some(600));
        // Back within a quarter of an hour: nothing is missing, and there is no jump.
        away.extend(scraped(1_800, 60, 3_601));
        let back = both(&away, 3_600);
        let sum: f64 = back.spans.iter().map(|span| span.events).sum();
        assert!((sum - 7_200.0).abs() < 1e-6, "{sum}");
        let most = back
            .spans
            .iter()
            .map(|span| span.events / real(span.seconds));
        assert!(most.fold(0.0, f64::max) < 2.1, "{back:?}");
    }

    #[test]
    fn a_sum_that_misses_one_for_a_while_shows_no_peak_when_it_is_back() {
        let sum: Vec<(f64, f64)> = (0..20)
            .map(|minute| {
                let missed = if (5..8).contains(&minute) {
                    50_000.0
                } else {
                    0.0
                };
                (real(minute * 60), 90_000.0 + 10.0 * real(minute) - missed)
            })
            .collect();
        let found = growth(&[sum], (0, 19 * 60), Taken::Before);
        assert_eq!(found.spans.len(), 17);
        assert!(
            found
                .spans
                .iter()
                .all(|span| (span.events - 10.0).abs() < 1e-6)
        );
        // A counter that restarts from zero continues at once.
        let reset: Vec<(f64, f64)> = (0..20)
            .map(|minute| {
                (
                    real(minute * 60),
                    10.0 * real(if minute < 5 { 900 + minute } else { minute }),
                )
            })
            .collect();
        assert_eq!(
            growth(&[reset], (0, 19 * 60), Taken::Before).spans.len(),
            18
        );
    }
}
