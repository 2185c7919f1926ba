//! Whether a CA is away, as several observers see it: not by one of them alone, and not by one bad minute.

use std::collections::BTreeMap;

use super::live::LiveSeries;
use crate::demand::observation::Source;

/// A vantage sees a minute as failing where at least this share of what it tried on any endpoint failed.
const FAILING_SHARE: f64 = 0.5;

/// Minutes in a row, the one that is now included, after which a vantage sees an outage, or its end: an
/// observer that tries every half minute has failed three times by then.
const MINUTES: usize = 2;

/// A vantage that has told nothing of the last minutes has no say.
const SILENT_MINUTES: usize = 3;

/// What observers say of a CA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is away: of at least so many vantages as asked for, and most of those that speak.
    Away,
    /// It is there: so most of the vantages that speak see it.
    There,
    /// Neither: what was the case goes on being so.
    Unclear,
}

/// What the observers among these series say, of which at least `quorum` have to see an outage. The
/// minutes of a series are in order, the last one is now.
#[must_use]
pub fn verdict(series: &[LiveSeries], quorum: usize) -> Verdict {
    let mut failing: BTreeMap<&str, Vec<Option<bool>>> = BTreeMap::new();
    for one in series.iter().filter(|one| one.source == Source::Observer) {
        let of = failing
            .entry(one.vantage.as_deref().unwrap_or_default())
            .or_default();
        of.resize(one.points.len().max(of.len()), None);
        for (minute, point) in of.iter_mut().zip(&one.points) {
            let rate = point.and_then(|point| point.failure_rate);
            if let Some(rate) = rate {
                // The worst of its endpoints: new orders may fail while the directory answers.
                *minute = Some(minute.unwrap_or(false) || rate >= FAILING_SHARE);
            }
        }
    }
    let (mut away, mut there, mut speaking) = (0, 0, 0);
    for minutes in failing.values() {
        let told: Vec<bool> = minutes
            .iter()
            .rev()
            .take(SILENT_MINUTES)
            .filter_map(|minute| *minute)
            .collect();
        if told.is_empty() {
            continue;
        }
        speaking += 1;
        let last = minutes.last().copied().flatten();
        let row = told
            .iter()
            .take_while(|failing| Some(**failing) == last)
            .count();
        away += usize::from(last == Some(true) && row >= MINUTES);
        there += usize::from(last == Some(false) && row >= MINUTES);
    }
    if away >= quorum.max(1) && away * 2 > speaking {
        Verdict::Away
    } else if there * 2 > speaking {
        Verdict::There
    } else {
        Verdict::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::super::live::LivePoint;
    use super::*;

    /// Minutes of a vantage: `x` failed, `.` went well, ` ` was not told.
    fn series(vantage: &str, endpoint: &str, minutes: &str) -> LiveSeries {
        let point = |letter: char| {
            (letter != ' ').then_some(LivePoint {
                load: 1.0,
                failure_rate: Some(if letter == 'x' { 1.0 } else { 0.0 }),
                latency_ms: None,
            })
        };
        LiveSeries {
            source: Source::Observer,
            endpoint: Some(endpoint.to_owned()),
            vantage: Some(vantage.to_owned()),
            points: minutes.chars().map(point).collect(),
        }
    }

    fn of(vantages: &[&str]) -> Verdict {
        let series: Vec<LiveSeries> = vantages
            .iter()
            .enumerate()
            .map(|(number, minutes)| series(&number.to_string(), "new-order", minutes))
            .collect();
        verdict(&series, 2)
    }

    #[test]
    fn one_vantage_or_one_minute_is_no_outage() {
        for (vantages, want) in [
            (&["...", "...", "..."][..], Verdict::There),
            (&["..x", "..x", "..x"], Verdict::Unclear),
            (&[".xx", ".xx", "..."], Verdict::Away),
            (&["xxx", "...", "..."], Verdict::There),
            (&["xxx"], Verdict::Unclear),
            (&[".xx", ".xx", "...", "..."], Verdict::Unclear),
            // Who is silent has no say; what failed before the silence does not go on.
            (&[".xx", ".xx", "   ", "   "], Verdict::Away),
            (&["xx ", "xx ", "xx "], Verdict::Unclear),
            (&["xx.", "xx.", "xxx"], Verdict::Unclear),
            (&["x..", "x..", "xxx"], Verdict::There),
        ] {
            assert_eq!(of(vantages), want, "{vantages:?}");
        }
    }

    #[test]
    fn an_endpoint_that_fails_is_enough_and_the_ca_s_own_word_is_none() {
        let both = |vantage| {
            [
                series(vantage, "directory", "..."),
                series(vantage, "new-order", ".xx"),
            ]
        };
        let mut all = [both("a"), both("b")].concat();
        assert_eq!(verdict(&all, 2), Verdict::Away);
        assert_eq!(verdict(&all, 3), Verdict::Unclear);
        for one in &mut all {
            one.source = Source::Ca;
        }
        assert_eq!(verdict(&all, 2), Verdict::Unclear);
    }
}
