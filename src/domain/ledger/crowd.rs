//! The certificates that are being issued now, and so how many of them will follow: those that
//! windows sent, those that return unsteered, and new ones (f in `docs/allocation.md`).

use super::promised::Ledger;
use super::scheduled::{grain_at, grains_in};
use super::ticking::ScheduleMix;
use crate::client::following::SILENT_AFTER_SECONDS;
use crate::time::timeline::GRAIN_SECONDS;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// φ is measured over as many days at most: a week has every weekday once.
const MEASURED_DAYS: i64 = 7;
/// So many certificates tell φ to a hundredth (1/√10,000): older days are not asked, since a crowd
/// changes within days when its first windows open.
const TELLING: f64 = 10_000.0;
/// So many certificates tell the share of a crowd that follows to a fourteenth (1/√200).
const CROWD: f64 = 200.0;
/// The prior of φ counts as much as so many certificates.
const PRIOR_CERTIFICATES: f64 = 50.0;

/// Certificates issued in a span, by what was known of that span before.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// Those of them that are taken to follow their new windows as their predecessors did.
    following: f64,
    /// Those that nothing announced.
    new: f64,
}

/// Who is expected in the present grain, in certificates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    kept: f64,
    returning: f64,
    /// The part of `returning` that will follow the next time.
    wavering: f64,
    new: f64,
}

impl Coming {
    pub(super) fn all(self) -> f64 {
        self.kept + self.returning + self.new
    }
}

impl Ledger {
    /// The certificates expected in the minutes of `now`: those that windows promise to these
    /// minutes, unsteered returns, and as many new ones as lately. `None` if so few came lately
    /// that they carry no information.
    pub(super) fn coming(&self, now: Timestamp) -> Option<Coming> {
        let grain = grain_at(now);
        let before = |grains: i64| Span {
            from: grain.from - grains * GRAIN_SECONDS,
            to: grain.from,
        };
        let lately = [1, 2, 4, 12]
            .map(before)
            .into_iter()
            .find(|span| self.issued(*span) >= CROWD || span.seconds() >= HOUR)?;
        let (returning, wavering) = self.unsteered_and_wavering(grain);
        Some(Coming {
            kept: self.promised_ever.sum(grain).max(0.0),
            returning,
            wavering,
            new: self.crowd(lately).new / grains_in(lately),
        })
    }

    /// f of a certificate issued at `now`, if nothing else is known about it and φ is `measured_follow`.
    /// Of the certificates of these minutes, as many follow as the windows given promise to them;
    /// unsteered returns behave as the last time; in addition there are as many new ones as lately,
    /// and φ of them follow.
    #[must_use]
    pub fn first_follows(&self, now: Timestamp, measured_follow: f64) -> f64 {
        let Some(coming) = self.coming(now).filter(|coming| coming.all() > 0.0) else {
            return measured_follow;
        };
        let following = coming.kept + coming.wavering + coming.new * measured_follow;
        (following / coming.all()).clamp(0.0, 1.0)
    }

    /// How the clients wake that come at `now` and get ordinary windows. Newcomers wake as in
    /// `generic`, clients sent by windows as those that windows brought; a client that came at a
    /// tick is placed by it. φ is `measured_follow`.
    #[must_use]
    pub fn waking_now(
        &self,
        now: Timestamp,
        measured_follow: f64,
        generic: &ScheduleMix,
    ) -> ScheduleMix {
        let Some(coming) = self.coming(now) else {
            return generic.clone();
        };
        let new = coming.new * measured_follow;
        let following = coming.kept + coming.wavering + new;
        if following <= 0.0 {
            return generic.clone();
        }
        let mut schedule_mix = generic.clone().scaled(new / following);
        schedule_mix.random += self.random_share(now) * coming.kept / following;
        schedule_mix
    }

    /// φ: the share of new certificates that follow their windows, as polls have shown for those
    /// issued in the last days with evidence. It covers as many days as carry information, a week
    /// at most, and is shrunk to the prior.
    #[must_use]
    pub fn measured_follow(&self, now: Timestamp, prior: f64) -> f64 {
        let (mut new, mut following) = (0.0, 0.0);
        let mut to = now - SILENT_AFTER_SECONDS;
        for _ in 0..MEASURED_DAYS {
            for hour in 0..24 {
                let hour = Span {
                    from: to - (hour + 1) * HOUR,
                    to: to - hour * HOUR,
                };
                let crowd = self.crowd(hour);
                let follow = self
                    .of_lives(|life| life.counted_ever.sum(hour) - life.unsteered_ever.sum(hour));
                new += crowd.new;
                following += (follow - crowd.following).clamp(0.0, crowd.new);
            }
            to = to - DAY;
            if new >= TELLING {
                break;
            }
        }
        let weight = PRIOR_CERTIFICATES;
        ((prior * weight + following) / (weight + new)).clamp(0.0, 1.0)
    }

    /// Divides the certificates issued in a span by what windows had promised to it and which
    /// unsteered returns were expected.
    fn crowd(&self, span: Span) -> Crowd {
        let issued = self.of_lives(|life| life.issued.sum(span)).max(0.0);
        // Whoever came was replaced, and has left the lines of what is still to come.
        let kept = self.promised_ever.sum(span).clamp(0.0, issued);
        let (returning, wavering) = self.unsteered_and_wavering(span);
        let returned = returning.min(issued - kept);
        Crowd {
            following: kept + returned * wavering / returning.max(1e-9),
            new: issued - kept - returned,
        }
    }

    /// The unsteered returns in a span, and the part of them that will follow the next time.
    fn unsteered_and_wavering(&self, span: Span) -> (f64, f64) {
        let returning = self.returning(span, |life| &life.unsteered_ever);
        let wavering = self.returning(span, |life| &life.wavering_ever);
        (returning, wavering.min(returning))
    }
}
