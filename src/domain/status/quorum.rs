//! Whether a CA is down according to several observers. Neither one observer nor one bad minute is
//! enough.

use std::collections::BTreeMap;

use super::live::LiveSeries;
use crate::demand::observation::Source;

/// A minute counts as failing at a vantage if at least this share of attempts on any endpoint
/// failed.
const FAILING_SHARE: f64 = 0.5;

/// A vantage sees an outage, or its end, after this many consecutive minutes including the present
/// one. An observer that tries every half minute has failed three times by then.
const MINUTES: usize = 2;

/// A vantage without a report in this many minutes has no vote.
const SILENT_MINUTES: usize = 3;

/// The observers' verdict on a CA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is down, according to at least the required number of vantages and the majority of those
    /// that report.
    Away,
    /// It is up, according to the majority of the vantages that report.
    There,
    /// Neither; the previous verdict continues.
    Unclear,
}

/// The reporter of a vantage, if known, and the vantage.
type Vantage<'a> = (Option<&'a str>, &'a str);

/// The number of vantages, or votes, for each verdict.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    away: usize,
    there: usize,
    speaking: usize,
}

/// The verdict from these series; at least `quorum` vantages must see an outage. The minutes of a
/// series are in order and end now. All vantages of one reporter have one vote, by their majority,
/// so inventing vantages gains nothing.
#[must_use]
pub fn verdict(series: &[LiveSeries], quorum: usize) -> Verdict {
    let mut failing: BTreeMap<Vantage<'_>, Vec<Option<bool>>> = BTreeMap::new();
    for one in series.iter().filter(|one| one.source == Source::Observer) {
        let vantage = one.vantage.as_deref().unwrap_or_default();
        let of = failing
            .entry((one.reported_by.as_deref(), vantage))
            .or_default();
        of.resize(one.points.len().max(of.len()), None);
        for (minute, point) in of.iter_mut().zip(&one.points) {
            let rate = point.and_then(|point| point.failure_rate);
            if let Some(rate) = rate {
                // The worst of its endpoints counts: new orders may fail while the directory
                // answers.
                *minute = Some(minute.unwrap_or(false) || rate >= FAILING_SHARE);
            }
        }
    }
    let mut voices: BTreeMap<Vantage<'_>, Count> = BTreeMap::new();
    for ((reported_by, vantage), minutes) in &failing {
        let reported: Vec<bool> = minutes
            .iter()
            .rev()
            .take(SILENT_MINUTES)
            .filter_map(|minute| *minute)
            .collect();
        if reported.is_empty() {
            continue;
        }
        let voice = reported_by.map_or((None, *vantage), |reported_by| (Some(reported_by), ""));
        let voice = voices.entry(voice).or_default();
        voice.speaking += 1;
        let last = minutes.last().copied().flatten();
        let row = reported
            .iter()
            .take_while(|failing| Some(**failing) == last)
            .count();
        voice.away += usize::from(last == Some(true) && row >= MINUTES);
        voice.there += usize::from(last == Some(false) && row >= MINUTES);
    }
    let most = |said: fn(&Count) -> usize| {
        let voices = voices.values();
        voices.filter(|one| said(one) * 2 > one.speaking).count()
    };
    let (away, there, speaking) = (most(|one| one.away), most(|one| one.there), voices.len());
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

    /// The minutes of a vantage: `x` failed, `.` succeeded, ` ` was not reported.
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
            reported_by: None,
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
            // A silent vantage has no vote, and its earlier failures do not continue.
            (&[".xx", ".xx", "   ", "   "], Verdict::Away),
            (&["xx ", "xx ", "xx "], Verdict::Unclear),
            (&["xx.", "xx.", "xxx"], Verdict::Unclear),
            (&["x..", "x..", "xxx"], Verdict::There),
        ] {
            assert_eq!(of(vantages), want, "{vantages:?}");
        }
    }

    #[test]
    fn all_vantages_of_a_reporter_have_one_vote() {
        let reported = |by: &str, vantage: &str, minutes: &str| LiveSeries {
            reported_by: Some(format!("token:{by}")),
            ..series(vantage, "new-order", minutes)
        };
        // However many vantages it names, it causes neither an outage nor the end of one.
        let mut alone = vec![reported("oslo", "oslo", "...")];
        alone.extend((0..9).map(|made_up| reported("liar", &made_up.to_string(), ".xx")));
        assert_eq!(verdict(&alone, 2), Verdict::Unclear);
        assert_eq!(verdict(&alone[1..], 2), Verdict::Unclear);
        let mut back = vec![
            reported("oslo", "oslo", "xxx"),
            reported("rome", "rome", "xxx"),
        ];
        back.extend((0..9).map(|made_up| reported("liar", &made_up.to_string(), "...")));
        assert_eq!(verdict(&back, 2), Verdict::Away);
        // Nor can it vote for another reporter by naming its vantage.
        let others = reported("liar", "oslo", ".xx");
        assert_eq!(
            verdict(&[reported("oslo", "oslo", "..."), others.clone()], 2),
            Verdict::Unclear
        );
        // Two reporters that see it are two votes, each by the majority of its vantages.
        let rome = [reported("rome", "a", ".xx"), reported("rome", "b", "...")];
        let two = [reported("oslo", "oslo", ".xx"), others];
        assert_eq!(verdict(&two, 2), Verdict::Away);
        assert_eq!(verdict(&[&two[..1], &rome].concat(), 2), Verdict::Unclear);
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
