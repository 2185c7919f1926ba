//! Whether clients follow their windows: judges past windows, and estimates f, the probability that
//! the next one is followed (`docs/polls.md`).

use super::fate::Fate;
use super::schedule::Polls;
use crate::math::number::real;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// The share of polled certificates that are renewed in their windows, before any measurement.
pub const POLLED_FOLLOWS: f64 = 0.98;
/// The share of never-polled certificates that happen to be renewed in their windows.
pub const SILENT_FOLLOWS: f64 = 0.005;
/// A client that polls does so at least once a day. One day, plus two hours of leeway.
pub const SILENT_AFTER_SECONDS: i64 = 26 * HOUR;
/// A certificate that used to be polled counts as silent after this time. It is longer because
/// several processes may share the polls, and each receives only some. With two polls a day and
/// three processes, one process receives none in a week with probability (2/3)^14 = 0.3 %.
const STOPPED_AFTER_SECONDS: i64 = 7 * DAY;
/// A change of f smaller than this does not justify updating the ledger.
const LEAST_NEWS: f64 = 0.01;
/// Measurements decay to 1/e in this time.
const MEASURED_OVER_SECONDS: i64 = 7 * DAY;
/// [`POLLED_FOLLOWS`] weighs as much as this many certificates, because a CA's first few outcomes
/// say little.
const PRIOR_CERTIFICATES: f64 = 20.0;

/// A certificate's window and the evidence about it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The certificate's window.
    pub window: Span,
    /// The record of its polls.
    pub polls: Polls,
    /// The longest time between two polls of its client, in seconds.
    pub interval_seconds: i64,
    /// When it was replaced, if it was.
    pub replaced_at: Option<Timestamp>,
    /// Since when polls have been recorded.
    pub recorded_from: Timestamp,
}

/// Whether a certificate's client polls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// It polls.
    Polled,
    /// It never polled, or has stopped.
    Silent,
    /// Too early to say.
    Unknown,
}

/// The outcomes of the windows of one CA's polled certificates. Older outcomes weigh less; the
/// weight decays over a week.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    kept: f64,
    judged: f64,
    at: Timestamp,
}

impl Case {
    /// The outcome at `now`. A window counts as followed if, within one poll interval of it, the
    /// certificate was replaced or polls for it stopped. The interval is counted from the window's
    /// end, because the client may draw a time as late as that. The interval before the window
    /// opens also counts, because a client renews early if its drawn time is before its next run
    /// (RFC 9773 section 4.2, step 5).
    ///
    /// A single poll proves nothing either way, because strangers ask about certificates that were
    /// replaced long ago. A poll within the second interval may therefore have been the last one.
    /// Silence counts only after a third interval, when the other processes have reported their
    /// polls.
    #[must_use]
    pub fn judge(&self, now: Timestamp) -> Fate {
        let interval = self.interval_seconds;
        let opened = self.window.from - interval;
        let due = self.window.to + interval;
        if let Some(replaced_at) = self.replaced_at {
            return if opened <= replaced_at && replaced_at <= due {
                Fate::Kept
            } else {
                Fate::Broken
            };
        }
        let Some(last) = self.polls.last() else {
            return Fate::NotYet;
        };
        if last > due + interval {
            return Fate::Broken;
        }
        if now <= due + 2 * interval || self.recorded_from > opened - interval {
            return Fate::NotYet;
        }
        if last >= opened - interval {
            Fate::Kept
        } else {
            // The client stopped asking before the window opened.
            Fate::Broken
        }
    }
}

/// Whether a certificate is polled, from its record and the time since which polls have been
/// recorded.
#[must_use]
pub fn evidence(polls: Polls, recorded_from: Timestamp, now: Timestamp) -> Evidence {
    match polls.last() {
        Some(last) if now - last.max(recorded_from) > STOPPED_AFTER_SECONDS => Evidence::Silent,
        Some(_) => Evidence::Polled,
        None if now - recorded_from > SILENT_AFTER_SECONDS => Evidence::Silent,
        None => Evidence::Unknown,
    }
}

/// f: the probability that a certificate's client renews in its window. `kept_share` is that
/// probability for polled certificates. `at_registration` is the estimate at registration, which
/// holds until there is evidence. `None` after the band has passed, until the certificate is
/// polled. A value close to `before` is replaced by `before`.
#[must_use]
pub fn follows(
    evidence: Evidence,
    kept_share: f64,
    at_registration: Option<f64>,
    before: Option<f64>,
) -> Option<f64> {
    let now = match evidence {
        Evidence::Polled => Some(kept_share),
        Evidence::Silent => at_registration.map(|_| SILENT_FOLLOWS),
        Evidence::Unknown => at_registration,
    };
    match (before, now) {
        (Some(before), Some(now)) if (before - now).abs() < LEAST_NEWS => Some(before),
        _ => now,
    }
}

impl Measured {
    /// Counts one outcome judged at `at`. An unknown outcome is ignored.
    pub fn count(&mut self, fate: Fate, at: Timestamp) {
        self.count_many(fate, at, 1.0);
    }

    /// Counts the same outcome for several certificates.
    pub fn count_many(&mut self, fate: Fate, at: Timestamp, certificates: f64) {
        let kept = match fate {
            Fate::Kept => 1.0,
            Fate::Broken => 0.0,
            Fate::NotYet => return,
        };
        // A late report has decayed as much as if it had been counted in time.
        let counted = certificates * fading(at, self.at);
        let fades = fading(self.at, at);
        self.kept = self.kept * fades + kept * counted;
        self.judged = self.judged * fades + counted;
        self.at = self.at.max(at);
    }

    /// The share of polled certificates that followed their windows. It starts at 0.98 and moves
    /// towards the measured share as outcomes accumulate.
    #[must_use]
    pub fn kept_share(&self, now: Timestamp) -> f64 {
        let fades = fading(self.at, now);
        (self.kept * fades + POLLED_FOLLOWS * PRIOR_CERTIFICATES)
            / (self.judged * fades + PRIOR_CERTIFICATES)
    }
}

/// The weight at `now` of something that had weight 1 at `at`.
fn fading(at: Timestamp, now: Timestamp) -> f64 {
    (-real((now - at).max(0)) / real(MEASURED_OVER_SECONDS)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    /// When the window opens.
    const OPENS: Timestamp = Timestamp::from_unix(1_795_219_200);

    /// A client that polls every six hours and polled last this many hours after the window opened.
    fn case(last_poll_hours: i64) -> Case {
        let polls = (-20..)
            .map(|n| n * 6)
            .take_while(|hour| *hour < last_poll_hours);
        let polls = polls
            .chain([last_poll_hours])
            .fold(Polls::default(), |polls, hour| {
                polls.seen(OPENS + hour * HOUR, 6 * HOUR)
            });
        Case {
            window: Span {
                from: OPENS,
                to: OPENS + 15 * MINUTE,
            },
            polls,
            interval_seconds: 6 * HOUR,
            replaced_at: None,
            recorded_from: OPENS - 9 * DAY,
        }
    }

    #[test]
    fn replaced_within_an_interval_of_the_window_is_kept() {
        for (hours, want) in [
            (-30, Fate::Broken),
            (-7, Fate::Broken),
            (-5, Fate::Kept),
            (0, Fate::Kept),
            (6, Fate::Kept),
            (7, Fate::Broken),
            (48, Fate::Broken),
        ] {
            let replaced_at = Some(OPENS + hours * HOUR);
            let case = Case {
                replaced_at,
                ..case(0)
            };
            assert_eq!(case.judge(OPENS + 3 * DAY), want, "{hours} h");
        }
    }

    #[test]
    fn silence_after_the_window_is_kept_and_polls_are_broken() {
        let later = OPENS + 30 * HOUR;
        for (last_poll, want) in [
            (-40, Fate::Broken),
            (-6, Fate::Kept),
            (0, Fate::Kept),
            (5, Fate::Kept),
            // A stranger's poll, or a renewal that failed once.
            (11, Fate::Kept),
            (13, Fate::Broken),
            (30, Fate::Broken),
        ] {
            assert_eq!(case(last_poll).judge(later), want, "{last_poll} h");
        }
        // Too early: the third interval is not over.
        for hours in [-24, 0, 6, 12, 18] {
            assert_eq!(
                case(0).judge(OPENS + hours * HOUR),
                Fate::NotYet,
                "{hours} h"
            );
        }
    }

    #[test]
    fn who_did_not_listen_makes_nothing_of_silence() {
        let deaf = Case {
            recorded_from: OPENS,
            ..case(0)
        };
        assert_eq!(deaf.judge(OPENS + 9 * DAY), Fate::NotYet);
        let polls = case(13).polls;
        assert_eq!(Case { polls, ..deaf }.judge(OPENS + 9 * DAY), Fate::Broken);
        let never = Case {
            polls: Polls::default(),
            ..case(0)
        };
        assert_eq!(never.judge(OPENS + 9 * DAY), Fate::NotYet);
    }

    #[test]
    fn evidence_moves_the_chance() {
        let measured = Measured::default();
        let never = Polls::default();
        let polled = never.seen(OPENS, 6 * HOUR);
        let later = |seconds| OPENS + seconds;
        for (polls, recorded_from, now, want, chance) in [
            (never, OPENS, later(26 * HOUR), Evidence::Unknown, 0.3),
            (never, OPENS, later(26 * HOUR + 1), Evidence::Silent, 0.005),
            // The process has only just started to record polls.
            (never, later(DAY), later(2 * DAY), Evidence::Unknown, 0.3),
            (polled, OPENS, later(6 * DAY), Evidence::Polled, 0.98),
            (polled, OPENS, later(8 * DAY), Evidence::Silent, 0.005),
            (
                polled,
                later(7 * DAY),
                later(8 * DAY),
                Evidence::Polled,
                0.98,
            ),
            (
                polled.inherited(),
                OPENS,
                later(HOUR),
                Evidence::Unknown,
                0.3,
            ),
        ] {
            let got = evidence(polls, recorded_from, now);
            assert_eq!(got, want, "{now}");
            let follows = follows(got, measured.kept_share(now), Some(0.3), Some(0.3));
            assert!((follows.unwrap() - chance).abs() < 1e-12, "{follows:?}");
        }
        // After its band an unpolled certificate has no f.
        assert_eq!(follows(Evidence::Silent, 0.9, None, None), None);
        assert_eq!(follows(Evidence::Polled, 0.9, None, None), Some(0.9));
        // The change is too small.
        assert_eq!(
            follows(Evidence::Polled, 0.985, Some(0.3), Some(0.98)),
            Some(0.98)
        );
    }

    #[test]
    fn the_measured_share_follows_what_was_judged_and_forgets() {
        let mut measured = Measured::default();
        assert!((measured.kept_share(OPENS) - 0.98).abs() < 1e-12);
        for n in 0..2_000 {
            let fate = if n % 2 == 0 { Fate::Kept } else { Fate::Broken };
            measured.count(fate, OPENS + n);
            measured.count(Fate::NotYet, OPENS + n);
        }
        let share = measured.kept_share(OPENS + 2_000);
        assert!((share - 0.5048).abs() < 1e-3, "{share}");
        // After a week a third of the weight is left, after ten weeks nothing.
        let faded = measured.kept_share(OPENS + 7 * DAY);
        assert!(faded > share && faded < 0.53, "{faded}");
        assert!(measured.kept_share(OPENS + 70 * DAY) > 0.97);
        // The order in which outcomes arrive does not matter.
        let share_after = |order: [i64; 3]| {
            let mut measured = Measured::default();
            for day in order {
                let fate = if day == 2 { Fate::Broken } else { Fate::Kept };
                measured.count(fate, OPENS + day * DAY);
            }
            measured.kept_share(OPENS + 5 * DAY)
        };
        assert!((share_after([0, 2, 4]) - share_after([4, 0, 2])).abs() < 1e-12);
        assert!(share_after([0, 2, 4]) < 0.96);
    }
}
