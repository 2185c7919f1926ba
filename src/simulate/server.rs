//! The server under simulation: the real books, and no more than a server can see.

use std::collections::VecDeque;
use std::rc::Rc;

use super::density::Density;
use super::given::Given;
use super::recognition::Recognition;
use super::scenario::{Client, Scenario};
use super::wake::{Wake, renewals};
use super::windows::{Windowed, mixed, windowed};
use crate::domain::allocation::allocator::{Allocator, Draw, DrawPlan};
use crate::domain::certificate::Validity;
use crate::domain::client::fate::Fate;
use crate::domain::client::following::{Measured, SILENT_AFTER_SECONDS, SILENT_FOLLOWS};
use crate::domain::client::schedule::{Response, Schedule};
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::demand::profile::Profile;
use crate::domain::demand::series::Series;
use crate::domain::ledger::{Cohort, Windows};
use crate::domain::math::number::{real, whole};
use crate::domain::moves::incident::Incident;
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{DAY, MINUTE, Span, Timestamp};

/// What wakes at ticks is told from its polls after so long, nine times of ten.
const RHYTHM_KNOWN_AFTER: i64 = 3 * DAY;
/// The ledger is kept for as long as the service keeps it.
const KEPT_SECONDS: i64 = 114 * DAY;

/// Certificates that come for issuance together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving<'a> {
    /// Whose, by the index in the scenario.
    pub(super) client: usize,
    /// Who they are.
    pub(super) kind: &'a Client,
    /// How they wake.
    pub(super) wake: &'a Wake,
    /// How many.
    pub(super) certificates: f64,
    /// The grain in which they woke, of such as wake at ticks.
    pub(super) woken: Option<i64>,
    /// The grain in which they come, where the server knows of their polls: they name what they
    /// replace.
    pub(super) known: Option<i64>,
}

/// What becomes known of a cohort that is booked.
struct News {
    at: Timestamp,
    issued_at: Timestamp,
    life_seconds: i64,
    certificates: f64,
    before: Known,
    density: Rc<Density>,
    response: Response,
    follows: Follows,
}

/// What is known of a cohort: when it comes, how it wakes, and f.
#[derive(Clone)]
struct Known {
    density: Rc<Density>,
    response: Response,
    follows: Option<f64>,
}

impl Known {
    fn windows(&self) -> Windows<'_> {
        Windows::Grains(self.density.from(), &self.density.shares, self.response)
    }
}

/// f, by what becomes known.
#[derive(Clone, Copy)]
enum Follows {
    /// It asks: whatever share of these keeps its windows.
    Asks,
    /// It never asks.
    Silent,
}

pub(super) struct Server<'a> {
    scenario: &'a Scenario,
    pub(super) books: Allocator,
    pub(super) known: Vec<Option<Recognition>>,
    series: Series,
    pub(super) profile: Profile,
    measured: Measured,
    learned_at: Timestamp,
    /// News by how long it takes, each in order.
    news: [VecDeque<News>; 2],
    asking: f64,
    /// What was opened so far, and the hours of which nothing is learned for that.
    pub(super) incidents: Vec<Incident>,
    pub(super) excluded: Vec<Span>,
}

impl<'a> Server<'a> {
    pub(super) fn new(scenario: &'a Scenario, wakes: &[Wake]) -> Self {
        let series = Series::default();
        let profile = Profile::learn(&series, scenario.start, scenario.policy.slot_seconds, &[]);
        let clients = scenario.clients.iter().zip(wakes);
        Self {
            scenario,
            books: Allocator::default(),
            known: clients
                .map(|(client, wake)| Recognition::of(scenario, client, wake))
                .collect(),
            series,
            profile,
            measured: Measured::default(),
            learned_at: scenario.start,
            news: Default::default(),
            asking: 0.0,
            incidents: Vec::new(),
            excluded: Vec::new(),
        }
    }

    /// What has become known until `now`.
    pub(super) fn hear(&mut self, now: Timestamp) {
        for queue in 0..self.news.len() {
            while self.news[queue].front().is_some_and(|news| news.at <= now) {
                if let Some(news) = self.news[queue].pop_front() {
                    self.take(news, queue);
                }
            }
        }
        if now - self.learned_at >= DAY {
            self.learned_at = now;
            self.measured.count_many(Fate::Kept, now, self.asking);
            self.asking = 0.0;
            let slot_seconds = self.scenario.policy.slot_seconds;
            self.profile = Profile::learn(&self.series, now, slot_seconds, &self.excluded);
            self.books.ledger.trim(now - KEPT_SECONDS);
            self.books.ledger.learn_returns(now, &self.excluded);
        }
    }

    fn take(&mut self, news: News, queue: usize) {
        let follows = Some(match news.follows {
            Follows::Asks => self.measured.kept_share(news.at),
            Follows::Silent => SILENT_FOLLOWS,
        });
        // How they wake is told later than that they do.
        let known = if queue == 0 {
            Known {
                follows,
                ..news.before.clone()
            }
        } else {
            Known {
                density: Rc::clone(&news.density),
                response: news.response,
                follows,
            }
        };
        let before = Cohort {
            windows: news.before.windows(),
            issued_at: news.issued_at,
            life_seconds: news.life_seconds,
            follows: news.before.follows,
            certificates: news.certificates,
        };
        let after = Cohort {
            windows: known.windows(),
            follows,
            ..before
        };
        self.books.ledger.learn_cohort(&before, &after);
        if queue == 0 && !Rc::ptr_eq(&known.density, &news.density) {
            self.news[1].push_back(News {
                at: news.issued_at + RHYTHM_KNOWN_AFTER,
                before: known,
                ..news
            });
        }
    }

    /// Gives windows to what is issued in the grain from `now` on with lives of so long.
    pub(super) fn issue(
        &mut self,
        now: Timestamp,
        life_seconds: i64,
        arriving: &[Arriving<'_>],
    ) -> Vec<Rc<Given>> {
        let all: f64 = arriving.iter().map(|group| group.certificates).sum();
        let validity = Validity {
            not_before: now,
            not_after: now + (life_seconds - 1),
        };
        let draw = Draw {
            policy: &self.scenario.policy,
            profile: &self.profile,
            now,
            schedule: Schedule::Unknown,
            certificates: u64::try_from(whole(all)).unwrap_or(0),
        };
        let Ok(DrawPlan {
            from,
            follows,
            ticking,
        }) = self.books.plan_draw(draw, validity, now)
        else {
            return vec![Rc::default(); arriving.len()];
        };
        let Some(plain) = windowed(&from, validity, Schedule::Unknown) else {
            return vec![Rc::default(); arriving.len()];
        };
        let strange = mixed(ticking.schedules(now), &from, validity, &plain);
        let windows: Vec<Windowed> = arriving
            .iter()
            .map(|group| match (&self.known[group.client], group.known) {
                (Some(known), Some(grain)) => windowed(&from, validity, known.schedule(grain))
                    .unwrap_or_else(|| plain.shared()),
                _ => strange.shared(),
            })
            .collect();
        for (group, windows) in arriving.iter().zip(&windows) {
            self.book(now, life_seconds, follows, group, windows);
        }
        self.count(now, Source::Registrations, Kind::Issued, all);
        windows.into_iter().map(|windows| windows.given).collect()
    }

    fn book(
        &mut self,
        now: Timestamp,
        life_seconds: i64,
        follows: Option<f64>,
        group: &Arriving<'_>,
        windows: &Windowed,
    ) {
        let known = &self.known[group.client];
        let told = known.as_ref().map(|known| {
            let when = renewals(group.kind, group.wake, &windows.drawn, group.woken);
            match group.wake {
                Wake::Always => Rc::clone(&windows.drawn),
                _ => Rc::new(known.expected(&when, &windows.drawn, group.woken)),
            }
        });
        let becomes = if told.is_some() {
            Follows::Asks
        } else {
            Follows::Silent
        };
        let density = told.unwrap_or_else(|| Rc::clone(&windows.drawn));
        // Whoever names what it replaces is known from the start.
        let first = if group.known.is_some() {
            Rc::clone(&density)
        } else {
            Rc::clone(&windows.meant)
        };
        let response = known.as_ref().map(|known| known.response(group.woken));
        let response = response.unwrap_or_default();
        let first = Known {
            density: first,
            response: if group.known.is_some() {
                response
            } else {
                Response::default()
            },
            follows,
        };
        self.books.ledger.book_cohort(&Cohort {
            windows: first.windows(),
            issued_at: now,
            life_seconds,
            follows,
            certificates: group.certificates,
        });
        if matches!(becomes, Follows::Asks) {
            self.asking += group.certificates;
        }
        self.news[0].push_back(News {
            at: now + SILENT_AFTER_SECONDS,
            issued_at: now,
            life_seconds,
            certificates: group.certificates,
            before: first,
            density,
            response,
            follows: becomes,
        });
    }

    /// The share of those that ask who keep their windows, as far as it was measured.
    pub(super) fn kept_share(&self, now: Timestamp) -> f64 {
        self.measured.kept_share(now)
    }

    /// Takes in that those who were to come in a grain come as a density says, moved at `now`.
    pub(super) fn moved(
        &mut self,
        now: Timestamp,
        life_seconds: i64,
        certificates: f64,
        grain: i64,
        when: &Density,
    ) {
        let before = Cohort {
            windows: Windows::Grains(
                Timestamp::from_unix(grain * GRAIN_SECONDS),
                &[1.0],
                Response::default(),
            ),
            // It stands for both, and changes nothing.
            issued_at: now,
            life_seconds,
            follows: Some(self.kept_share(now)),
            certificates,
        };
        let after = Cohort {
            windows: Windows::Grains(when.from(), &when.shares, Response::default()),
            ..before
        };
        self.books.ledger.learn_cohort(&before, &after);
    }

    /// Takes a count in of what happened in the grain from `now` on.
    pub(super) fn count(&mut self, now: Timestamp, source: Source, kind: Kind, count: f64) {
        let minutes = GRAIN_SECONDS / MINUTE;
        let up_to = |minute: i64| whole(count * real(minute) / real(minutes));
        for minute in 0..minutes {
            let count = u64::try_from(up_to(minute + 1) - up_to(minute)).unwrap_or(0);
            let at = now + minute * MINUTE;
            self.series
                .add(&Observation::plain(at, source, kind, count));
        }
    }
}
