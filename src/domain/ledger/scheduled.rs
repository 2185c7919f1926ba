//! Arrivals at ticks. Most certificates issued at midnight, for example, may belong to clients that
//! wake at midnight, and that therefore return at noon or at midnight.

use super::booking::Cohort;
use super::promised::Ledger;
use super::ticking::{ScheduleMix, TickShares, Ticks};
use crate::certificate::own_rule_seconds;
use crate::client::schedule::Schedule;
use crate::math::number::{length, real, signed};
use crate::time::timeline::{GRAIN_SECONDS, Timeline};
use crate::time::{DAY, HOUR, Span, Timestamp};

/// After this time clients have shown how they wake: three daily polls, and processing.
const SHOWN_SECONDS: i64 = 4 * DAY;

/// With this many expected renewals a share is known to a twentieth (1/√400). With fewer nothing is
/// assumed …
const TELLING: f64 = 400.0;
/// … and with this many, the shares of single ticks (a day has at most 288) have half the weight:
/// their error is two fifths (1/√(2,000 / 288)).
const HALF_BELIEVED: f64 = 2_000.0;

impl Ledger {
    /// Which of the clients that arrive at `now` wake at ticks, from what the assigned windows
    /// promise to these minutes.
    #[must_use]
    pub fn tick_shares(&self, now: Timestamp) -> TickShares {
        let grain = grain_at(now);
        let Some(coming) = self.coming(now) else {
            return TickShares::default();
        };
        let all = coming.all().max(1e-9);
        TickShares(
            self.ticking
                .ticks
                .each_ref()
                .map(|line| (line.sum(grain) / all).clamp(0.0, 1.0)),
        )
    }

    /// How clients wake, from the certificates issued in the last cycle without its most recent
    /// days, which have shown nothing yet.
    #[must_use]
    pub fn schedule_mix(&self, now: Timestamp) -> ScheduleMix {
        let Some(life_seconds) = self.usual_life_seconds() else {
            return ScheduleMix::default();
        };
        let known_until = now + own_rule_seconds(life_seconds) - SHOWN_SECONDS;
        let days = now.slot(DAY) + 1..known_until.slot(DAY);
        let all: f64 = self
            .promised_ever
            .by_grain_of_day(days.clone())
            .iter()
            .sum();
        if all < TELLING {
            return ScheduleMix::default();
        }
        let [daily, twice, six_hourly] = self.ticking.ticks.each_ref();
        let sum = |line: &Timeline| line.by_grain_of_day(days.clone());
        let ticks = [(sum(twice), 12 * HOUR), (sum(six_hourly), 6 * HOUR)];
        let ticks = ticks.iter().flat_map(|(grains, period_seconds)| {
            let in_period = length(period_seconds / GRAIN_SECONDS);
            (0..in_period).map(move |grain| Ticks {
                period_seconds: *period_seconds,
                second_of_day: signed(grain) * GRAIN_SECONDS,
                share: grains
                    .iter()
                    .skip(grain)
                    .step_by(in_period)
                    .sum::<f64>()
                    .max(0.0)
                    / all,
            })
        });
        let share = |line: &Timeline| (sum(line).iter().sum::<f64>() / all).clamp(0.0, 1.0);
        let schedule_mix = ScheduleMix {
            ticks: ticks.filter(|ticks| ticks.share > 0.0).collect(),
            daily: share(daily),
            random: share(&self.ticking.random),
        };
        schedule_mix.scaled(all / (all + HALF_BELIEVED))
    }

    /// The number of clients a day that renew at each tick of a schedule, from the day before
    /// `now`.
    #[must_use]
    pub fn load_at_same_tick(&self, schedule: Schedule, now: Timestamp) -> f64 {
        let (Some(line), Some(tick), Some(period)) = (
            self.ticking.line(schedule),
            schedule.tick(),
            schedule.period_seconds(),
        ) else {
            return 0.0;
        };
        let since = grain_at(now - (now.second_of_day() - tick.second_of_day()).rem_euclid(period));
        let ticks = (0..DAY / period).map(|n| since.earlier(n * period));
        ticks.map(|span| line.sum(span).max(0.0)).sum()
    }

    /// The share of timers with a random delay among the clients that assigned windows bring in the
    /// minutes of `now`.
    pub(super) fn random_share(&self, now: Timestamp) -> f64 {
        let grain = grain_at(now);
        let kept = self.promised_ever.sum(grain).max(1e-9);
        (self.ticking.random.sum(grain) / kept).clamp(0.0, 1.0)
    }

    /// The load in a span from clients known to wake at ticks or by random timers.
    pub(crate) fn scheduled_load(&self, span: Span) -> f64 {
        let lines = self.ticking.ticks.iter().chain([&self.ticking.random]);
        lines.map(|line| line.sum(span).max(0.0)).sum()
    }

    pub(super) fn remember_ticks(&mut self, cohort: &Cohort<'_>, amount: f64) {
        let schedule = cohort.windows.response().schedule();
        if let Some(line) = self.ticking.line_mut(schedule) {
            cohort.windows.enter_arrivals(line, amount);
        }
    }
}

/// The grain that contains an instant.
pub(super) fn grain_at(now: Timestamp) -> Span {
    let from = Timestamp::from_unix(now.slot(GRAIN_SECONDS) * GRAIN_SECONDS);
    Span {
        from,
        to: from + GRAIN_SECONDS,
    }
}

/// The length of a span in grains.
pub(super) fn grains_in(span: Span) -> f64 {
    real(span.seconds()) / real(GRAIN_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::schedule::Response;
    use crate::client::schedule::Tick;
    use crate::ledger::booking::Windows;

    const LIFE_SECONDS: i64 = 90 * DAY;

    fn now() -> Timestamp {
        "2027-01-15T09:30:00Z".parse().unwrap()
    }

    /// Adds clients of a schedule for `days` days ahead, with a window in the hour before noon.
    fn book(ledger: &mut Ledger, schedule: Schedule, days: i64, certificates: f64) {
        let noon = now() - now().second_of_day() + (days * DAY + 12 * HOUR);
        let window = Span {
            from: noon - 1_800,
            to: noon - 900,
        };
        ledger.book_cohort(&Cohort {
            windows: Windows::One(window, Response::of(schedule)),
            issued_at: now() - 10 * DAY,
            life_seconds: LIFE_SECONDS,
            follows: Some(1.0),
            certificates,
        });
    }

    fn twice() -> Schedule {
        Schedule::TwiceDaily { tick: Tick::at(0) }
    }

    #[test]
    fn how_clients_wake_is_learned_from_earlier_ones() {
        let mut ledger = Ledger::default();
        for day in 1..50 {
            book(&mut ledger, twice(), day, 1_000.0);
            book(
                &mut ledger,
                Schedule::Daily { tick: Tick::at(0) },
                day,
                500.0,
            );
            book(&mut ledger, Schedule::Random, day, 1_000.0);
            book(&mut ledger, Schedule::Steered, day, 2_500.0);
        }
        let schedule_mix = ledger.schedule_mix(now());
        assert_eq!(schedule_mix.ticks.len(), 1, "{schedule_mix:?}");
        let Ticks {
            period_seconds,
            second_of_day,
            share,
        } = schedule_mix.ticks[0];
        assert_eq!((period_seconds, second_of_day), (12 * HOUR, 0));
        for (got, want) in [
            (share, 0.2),
            (schedule_mix.daily, 0.1),
            (schedule_mix.random, 0.2),
        ] {
            assert!((got - want).abs() < 0.01, "{schedule_mix:?}");
        }
        assert!((schedule_mix.elsewhere() - 0.5).abs() < 0.02);
        assert!((schedule_mix.scaled(0.5).elsewhere() - 0.25).abs() < 0.01);
    }

    #[test]
    fn few_or_young_certificates_show_no_schedule() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.schedule_mix(now()), ScheduleMix::default());
        book(&mut ledger, twice(), 20, 390.0);
        // How these clients wake is not known yet.
        book(&mut ledger, twice(), 58, 390.0);
        assert_eq!(ledger.schedule_mix(now()), ScheduleMix::default());
        book(&mut ledger, twice(), 21, 390.0);
        assert_eq!(ledger.schedule_mix(now()).ticks.len(), 1);
    }

    #[test]
    fn the_load_at_the_same_tick_is_that_of_all_ticks_of_a_day() {
        let mut ledger = Ledger::default();
        // Their windows before noon bring them at noon, yesterday and the day before.
        book(&mut ledger, twice(), -1, 300.0);
        book(&mut ledger, twice(), -2, 50.0);
        let load_at_same_tick = ledger.load_at_same_tick(twice(), now());
        assert!(
            (load_at_same_tick - 300.0).abs() < 1.0,
            "{load_at_same_tick}"
        );
        let same = Schedule::TwiceDaily {
            tick: Tick::at(12 * 120),
        };
        assert!((ledger.load_at_same_tick(same, now()) - 300.0).abs() < 1.0);
        let others = Schedule::TwiceDaily {
            tick: Tick::at(120),
        };
        assert!(ledger.load_at_same_tick(others, now()).abs() < 1e-9);
        assert!(ledger.load_at_same_tick(Schedule::Steered, now()).abs() < 1e-9);
    }
}
