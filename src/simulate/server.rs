//! The simulated server: the real ledger, and only what a server can see.

use std::collections::VecDeque;
use std::rc::Rc;

use super::density::Density;
use super::given::Given;
use super::recognition::{HEARD_SECONDS, Part, Recognition};
use super::scenario::Scenario;
use super::wake::Wake;
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

/// The ledger is kept for as long as the service keeps it.
const KEPT_SECONDS: i64 = 114 * DAY;

/// Certificates that come for issuance together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    /// Whose, by the index in the scenario.
    pub(super) client: usize,
    /// How many.
    pub(super) certificates: f64,
    /// The grain in which they woke, of such as wake at ticks.
    pub(super) woken: Option<i64>,
    /// The grain in which they come, where the server knows of their polls: they name what they
    /// replace.
    pub(super) known: Option<i64>,
}

/// A cohort that is booked, and what becomes known of it next.
#[derive(Clone)]
struct News {
    at: Timestamp,
    issued_at: Timestamp,
    life_seconds: i64,
    certificates: f64,
    client: usize,
    /// A grain in which they wake, where all wake then.
    woken: Option<i64>,
    /// Where its windows lie.
    drawn: Rc<Density>,
    /// When those renew that were given them, by what they were drawn for.
    meant: Rc<Density>,
    /// What is known of it now.
    before: Known,
    /// What is known then.
    then: Known,
}

/// What is known of a cohort.
#[derive(Clone, Copy)]
struct Known {
    /// How long it was heard, by the number of the stage of [`Recognition`]; `None`: nothing is made
    /// of its polls.
    heard: Option<usize>,
    /// f.
    follows: Option<f64>,
    /// Whether it asks; `None`: nobody knows.
    asks: Option<bool>,
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
    news: [VecDeque<News>; 3],
    /// Of the windows given since the last day that which are asked for, and the part of them that is
    /// not kept.
    asking: f64,
    broken: f64,
    /// What was opened so far, and the hours of which nothing is learned for that.
    pub(super) incidents: Vec<Incident>,
    pub(super) excluded: Vec<Span>,
}

impl News {
    /// Whether there is more to learn of how they wake: whoever named what it replaces has the record
    /// of that.
    fn known_late(&self) -> bool {
        self.before
            .heard
            .is_none_or(|stage| stage + 1 < HEARD_SECONDS.len())
    }
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
            broken: 0.0,
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
            self.measured
                .count_many(Fate::Kept, now, self.asking - self.broken);
            self.measured.count_many(Fate::Broken, now, self.broken);
            (self.asking, self.broken) = (0.0, 0.0);
            let slot_seconds = self.scenario.policy.slot_seconds;
            self.profile = Profile::learn(&self.series, now, slot_seconds, &self.excluded);
            self.books.ledger.trim(now - KEPT_SECONDS);
            self.books.ledger.learn_returns(now, &self.excluded);
        }
    }

    fn take(&mut self, mut news: News, queue: usize) {
        news.then.follows = Some(if news.then.asks == Some(true) {
            self.measured.kept_share(news.at)
        } else {
            SILENT_FOLLOWS
        });
        self.change(&news);
        // How they wake is told later than that they do, and of more of them as time goes by.
        if news.then.asks == Some(true) && queue + 1 < self.news.len() && news.known_late() {
            let then = Known {
                heard: Some(queue),
                ..news.then
            };
            self.news[queue + 1].push_back(News {
                at: news.issued_at + HEARD_SECONDS[queue],
                before: news.then,
                then,
                ..news
            });
        }
    }

    /// Takes out of the books what was known of a cohort, and in what is.
    fn change(&mut self, news: &News) {
        for (known, sign) in [(news.before, -1.0), (news.then, 1.0)] {
            for part in self.parts(news, known) {
                let cohort = Cohort {
                    windows: Windows::Grains(
                        part.density.from(),
                        &part.density.shares,
                        part.response,
                    ),
                    issued_at: news.issued_at,
                    life_seconds: news.life_seconds,
                    follows: known.follows,
                    certificates: sign * part.share * news.certificates,
                };
                let nobody = Cohort {
                    certificates: 0.0,
                    ..cohort
                };
                self.books.ledger.learn_cohort(&nobody, &cohort);
            }
        }
    }

    /// A cohort as it is expected by what is known of it.
    fn parts(&self, news: &News, known: Known) -> Vec<Part> {
        let all = |density: &Density| {
            vec![Part {
                share: 1.0,
                density: density.clone(),
                response: Response::default(),
            }]
        };
        match (known.heard, &self.known[news.client]) {
            (Some(stage), Some(recognition)) => {
                recognition.expected(stage, &news.drawn, news.woken)
            }
            _ if known.asks == Some(true) => all(&news.drawn),
            _ => all(&news.meant),
        }
    }

    /// Gives windows to what is issued in the grain from `now` on with lives of so long.
    pub(super) fn issue(
        &mut self,
        now: Timestamp,
        life_seconds: i64,
        arriving: &[Arriving],
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
        group: &Arriving,
        windows: &Windowed,
    ) {
        let asks = self.known[group.client].is_some();
        // Whoever names what it replaces is known from the start, by two months of its polls.
        let named = asks && group.known.is_some();
        let first = Known {
            heard: named.then_some(HEARD_SECONDS.len() - 1),
            follows,
            asks: named.then_some(true),
        };
        let strangers = if asks { 0.0 } else { self.scenario.strangers };
        for (share, asks) in [(1.0 - strangers, asks), (strangers, true)] {
            let news = News {
                at: now + SILENT_AFTER_SECONDS,
                issued_at: now,
                life_seconds,
                certificates: share * group.certificates,
                client: group.client,
                woken: group.woken,
                drawn: Rc::clone(&windows.drawn),
                meant: Rc::clone(&windows.meant),
                before: first,
                then: Known {
                    asks: Some(asks),
                    ..first
                },
            };
            if news.certificates <= 0.0 {
                continue;
            }
            for part in self.parts(&news, first) {
                self.books.ledger.book_cohort(&Cohort {
                    windows: Windows::Grains(
                        part.density.from(),
                        &part.density.shares,
                        part.response,
                    ),
                    issued_at: now,
                    life_seconds,
                    follows,
                    certificates: part.share * news.certificates,
                });
            }
            if asks {
                self.asking += news.certificates;
                // What a stranger asks for is renewed without it.
                if self.known[news.client].is_none() {
                    self.broken += news.certificates;
                }
            }
            self.news[0].push_back(news);
        }
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
