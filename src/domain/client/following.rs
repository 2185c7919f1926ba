//! Whether clients follow: the outcomes of windows, and the chance f that the next one is kept
//! (`docs/polls.md`).

use super::fate::Fate;
use super::schedule::Polls;
use crate::math::number::real;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// The share of polled certificates that keep their windows, until it is measured.
pub const POLLED_FOLLOWS: f64 = 0.98;
/// The share of certificates never polled that renew in their windows all the same.
pub const SILENT_FOLLOWS: f64 = 0.005;
/// Twice a day is the rarest schedule of clients that poll; a day, and two hours of leeway.
pub const SILENT_AFTER_SECONDS: i64 = 26 * HOUR;
/// One that was polled and is not any more is silent after this. Longer, because where several
/// processes share the polls each hears some: of two a day one of three processes hears none in a
/// week with a chance of (2/3)^14 = 0.3 %.
const STOPPED_AFTER_SECONDS: i64 = 7 * DAY;
/// A change of f by less than this is no news: the ledger need not be moved for it.
const LEAST_NEWS: f64 = 0.01;
/// What was measured fades to 1/e in this time.
const MEASURED_OVER_SECONDS: i64 = 7 * DAY;
/// [`POLLED_FOLLOWS`] stands for this many certificates: one CA's first few tell little.
const PRIOR_CERTIFICATES: f64 = 20.0;

/// One certificate's case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its window.
    pub window: Span,
    /// What its polls have shown.
    pub polls: Polls,
    /// The longest time in seconds from poll to poll of its client.
    pub interval_seconds: i64,
    /// When it was replaced.
    pub replaced_at: Option<Timestamp>,
    /// Polls have been listened for since then.
    pub heard_from: Timestamp,
}

/// What is known of whether a certificate's client asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
    /// It does.
    Polled,
    /// It does not, or not any more.
    Silent,
    /// Too early to say.
    Unknown,
}

/// What became of the windows of polled certificates of one CA, the past fading over a week.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    kept: f64,
    judged: f64,
    at: Timestamp,
}

impl Case {
    /// Followed is: replaced, or not asked for any more, within one poll interval of the window.
    /// Counted from its end, since a draw may be as late as that; the interval before it opens
    /// counts as well, for clients that renew where the draw is before their next run (RFC 9773
    /// section 4.2, step 5).
    ///
    /// A poll alone proves nothing, in either direction: strangers ask about certificates that
    /// were replaced long ago. So one that comes within a second interval may have been the last,
    /// and silence counts after a third, when whoever else hears polls has told of them.
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
        if now <= due + 2 * interval || self.heard_from > opened - interval {
            return Fate::NotYet;
        }
        if last >= opened - interval {
            Fate::Kept
        } else {
            // It was given up before the window opened.
            Fate::Broken
        }
    }
}

/// Whether a certificate is polled, by its record and the time since when somebody listened.
#[must_use]
pub fn evidence(polls: Polls, heard_from: Timestamp, now: Timestamp) -> Evidence {
    match polls.last() {
        Some(last) if now - last.max(heard_from) > STOPPED_AFTER_SECONDS => Evidence::Silent,
        Some(_) => Evidence::Polled,
        None if now - heard_from > SILENT_AFTER_SECONDS => Evidence::Silent,
        None => Evidence::Unknown,
    }
}

/// f: the chance that a certificate's client keeps its window, where those that are polled do so
/// with the chance `kept_share`. It was `at_registration` then, and stays so until there is
/// evidence; `None`, after its band, until it is polled. What differs little from `before` is that.
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
    /// Counts a judgement that was made at `at`; one that is none counts for nothing.
    pub fn count(&mut self, fate: Fate, at: Timestamp) {
        self.count_many(fate, at, 1.0);
    }

    /// Counts a judgement of so many certificates.
    pub fn count_many(&mut self, fate: Fate, at: Timestamp, certificates: f64) {
        let kept = match fate {
            Fate::Kept => 1.0,
            Fate::Broken => 0.0,
            Fate::NotYet => return,
        };
        // What is told late has faded by as much as what was counted then.
        let told_late = certificates * fading(at, self.at);
        let fades = fading(self.at, at);
        self.kept = self.kept * fades + kept * told_late;
        self.judged = self.judged * fades + told_late;
        self.at = self.at.max(at);
    }

    /// The share of polled certificates that kept their windows: 0.98 where nothing is known, and
    /// less and less of that the more is.
    #[must_use]
    pub fn kept_share(&self, now: Timestamp) -> f64 {
        let fades = fading(self.at, now);
        (self.kept * fades + POLLED_FOLLOWS * PRIOR_CERTIFICATES)
            / (self.judged * fades + PRIOR_CERTIFICATES)
    }
}

/// What is left at `now` of what counted fully at `at`.
fn fading(at: Timestamp, now: Timestamp) -> f64 {
    (-real((now - at).max(0)) / real(MEASURED_OVER_SECONDS)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    /// When the window opens.
    const OPENS: Timestamp = Timestamp::from_unix(1_795_219_200);

    /// A case of a client that asks every six hours, with its last poll so many hours after the
    /// window opened.
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
            heard_from: OPENS - 9 * DAY,
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
            // A stranger, or a renewal that failed once.
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
            heard_from: OPENS,
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
        for (polls, heard_from, now, want, chance) in [
            (never, OPENS, later(26 * HOUR), Evidence::Unknown, 0.3),
            (never, OPENS, later(26 * HOUR + 1), Evidence::Silent, 0.005),
            // The process has just begun to listen.
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
            let got = evidence(polls, heard_from, now);
            assert_eq!(got, want, "{now}");
            let follows = follows(got, measured.kept_share(now), Some(0.3), Some(0.3));
            assert!((follows.unwrap() - chance).abs() < 1e-12, "{follows:?}");
        }
        // After its band: it counts for nothing until it is polled.
        assert_eq!(follows(Evidence::Silent, 0.9, None, None), None);
        assert_eq!(follows(Evidence::Polled, 0.9, None, None), Some(0.9));
        // No news.
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
        // After a week a third of it is left, after ten nothing.
        let faded = measured.kept_share(OPENS + 7 * DAY);
        assert!(faded > share && faded < 0.53, "{faded}");
        assert!(measured.kept_share(OPENS + 70 * DAY) > 0.97);
        // The order in which judgements are told does not matter.
        let told = |order: [i64; 3]| {
            let mut measured = Measured::default();
            for day in order {
                let fate = if day == 2 { Fate::Broken } else { Fate::Kept };
                measured.count(fate, OPENS + day * DAY);
            }
            measured.kept_share(OPENS + 5 * DAY)
        };
        assert!((told([0, 2, 4]) - told([4, 0, 2])).abs() < 1e-12);
        assert!(told([0, 2, 4]) < 0.96);
    }
}
