//! The certificates being issued now, and how many of them will follow: those brought by windows,
//! unsteered returns, and new ones (f in `docs/allocation.md`).

use super::promised::Ledger;
use super::scheduled::{grain_at, grains_in};
use super::ticking::ScheduleMix;
use crate::client::following::SILENT_AFTER_SECONDS;
use crate::time::timeline::GRAIN_SECONDS;
use crate::time::{DAY, HOUR, Span, Timestamp};

/// φ is measured over at most this many days: a week contains each weekday once.
const MEASURED_DAYS: i64 = 7;
/// This many certificates determine φ to a hundredth (1/√10,000). Older days are not used then,
/// because the mix changes within days when its first windows open.
const TELLING: f64 = 10_000.0;
/// This many certificates determine the share that follows to a fourteenth (1/√200).
const CROWD: f64 = 200.0;
/// The prior of φ weighs as much as this many certificates.
const PRIOR_CERTIFICATES: f64 = 50.0;

/// The certificates issued in a span, divided by what was expected of that span.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// Those assumed to follow their new windows because their predecessors did.
    following: f64,
    /// Those that nothing announced.
    new: f64,
}

/// The certificates expected in the present grain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    kept: f64,
    returning: f64,
    /// Those of `returning` that will follow the next time.
    wavering: f64,
    new: f64,
}

impl Coming {
    pub(super) fn all(self) -> f64 {
        self.kept + self.returning + self.new
    }
}

impl Ledger {
    /// The certificates expected in the minutes around `now`: those that windows promise to these
    /// minutes, unsteered returns, and as many new ones as recently. `None` if recent arrivals are
    /// too few to tell.
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

    /// f of a certificate issued at `now` about which nothing else is known, if φ is
    /// `measured_follow`. As many of these minutes' certificates follow as the assigned windows
    /// promise. Unsteered returns behave as they did last time. There are as many new ones as
    /// recently, of which the share φ follows.
    #[must_use]
    pub fn first_follows(&self, now: Timestamp, measured_follow: f64) -> f64 {
        let Some(coming) = self.coming(now).filter(|coming| coming.all() > 0.0) else {
            return measured_follow;
        };
        let following = coming.kept + coming.wavering + coming.new * measured_follow;
        (following / coming.all()).clamp(0.0, 1.0)
    }

    /// How clients wake that arrive at `now` and get ordinary windows. New clients wake as in
    /// `generic`; clients brought by windows wake as those before them; clients that arrive at a
    /// tick get a window for that tick. φ is `measured_follow`.
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

    /// φ: the share of new certificates that follow their windows, measured by polls for
    /// certificates issued in the last days with evidence. It uses as many days as are needed, at
    /// most a week, and is shrunk towards the prior.
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

    /// Divides the certificates issued in a span into those promised by windows, the expected
    /// unsteered returns, and the rest.
    fn crowd(&self, span: Span) -> Crowd {
        let issued = self.of_lives(|life| life.issued.sum(span)).max(0.0);
        // Renewed certificates are retired, and no longer in the lines of future load.
        let kept = self.promised_ever.sum(span).clamp(0.0, issued);
        let (returning, wavering) = self.unsteered_and_wavering(span);
        let returned = returning.min(issued - kept);
        Crowd {
            following: kept + returned * wavering / returning.max(1e-9),
            new: issued - kept - returned,
        }
    }

    /// The unsteered returns in a span, and those of them that will follow the next time.
    fn unsteered_and_wavering(&self, span: Span) -> (f64, f64) {
        let returning = self.returning(span, |life| &life.unsteered_ever);
        let wavering = self.returning(span, |life| &life.wavering_ever);
        (returning, wavering.min(returning))
    }
}
