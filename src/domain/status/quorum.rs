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

/// The reporter of a vantage, if known, and the vantage.
type Vantage<'a> = (Option<&'a str>, &'a str);

/// How many vantages, or voices, say what.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    away: usize,
    there: usize,
    speaking: usize,
}

/// The verdict of the observers among these series, of which at least `quorum` have to see an
/// outage. The minutes of a series are in order, the last one is now. All vantages of one reporter
/// are one vote, which follows most of them, so inventing vantages gains nothing.
#[must_use]
pub fn verdict(series: &[LiveSeries], quorum: usize) -> Verdict {
    let mut failing: BTreeMap<Vantage<'_>, Vec<Option<bool>>> = BTreeMap::new();
    for one in series.iter().filter(|one| one.source == Source::Observer) {
        let vantage = one.vantage.as_deref().unwrap_or_default();
        let of = failing
            .entry((one.told_by.as_deref(), vantage))
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
    let mut voices: BTreeMap<Vantage<'_>, Count> = BTreeMap::new();
    for ((told_by, vantage), minutes) in &failing {
        let told: Vec<bool> = minutes
            .iter()
            .rev()
            .take(SILENT_MINUTES)
            .filter_map(|minute| *minute)
            .collect();
        if told.is_empty() {
            continue;
        }
        let voice = told_by.map_or((None, *vantage), |told_by| (Some(told_by), ""));
        let voice = voices.entry(voice).or_default();
        voice.speaking += 1;
        let last = minutes.last().copied().flatten();
        let row = told
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
            told_by: None,
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
    fn all_that_one_tells_is_one_voice() {
        let told = |by: &str, vantage: &str, minutes: &str| LiveSeries {
            told_by: Some(format!("token:{by}")),
            ..series(vantage, "new-order", minutes)
        };
        // However many vantages he names: neither an outage, nor the end of one.
        let mut alone = vec![told("oslo", "oslo", "...")];
        alone.extend((0..9).map(|made_up| told("liar", &made_up.to_string(), ".xx")));
        assert_eq!(verdict(&alone, 2), Verdict::Unclear);
        assert_eq!(verdict(&alone[1..], 2), Verdict::Unclear);
        let mut back = vec![told("oslo", "oslo", "xxx"), told("rome", "rome", "xxx")];
        back.extend((0..9).map(|made_up| told("liar", &made_up.to_string(), "...")));
        assert_eq!(verdict(&back, 2), Verdict::Away);
        // Nor does he speak for another by naming his vantage.
        let others = told("liar", "oslo", ".xx");
        assert_eq!(
            verdict(&[told("oslo", "oslo", "..."), others.clone()], 2),
            Verdict::Unclear
        );
        // Two that see it are two, each by most of what it looks from.
        let rome = [told("rome", "a", ".xx"), told("rome", "b", "...")];
        let two = [told("oslo", "oslo", ".xx"), others];
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
