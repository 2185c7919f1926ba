//! The simulated server: the real ledger and allocator, which see only what a server can see.

use std::collections::VecDeque;
use std::rc::Rc;

use super::density::Density;
use super::given::Given;
use super::recognition::{Part, RECORD_AGES_SECONDS, Recognition};
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

/// How long the ledger keeps the past, in seconds, as in the service.
const KEPT_SECONDS: i64 = 114 * DAY;

/// Certificates that are to be issued together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    /// The index of their client in the scenario.
    pub(super) client: usize,
    /// How many.
    pub(super) certificates: f64,
    /// The grain in which they woke, if their clients wake at ticks.
    pub(super) woken: Option<i64>,
    /// The grain in which they come, if the server knows their polls because they name what they
    /// replace.
    /// replace.
    pub(super) known: Option<i64>,
}

/// A booked cohort, and what becomes known of it next.
#[derive(Clone)]
struct News {
    at: Timestamp,
    issued_at: Timestamp,
    life_seconds: i64,
    certificates: f64,
    client: usize,
    /// A grain in which they wake, if all of them wake then.
    woken: Option<i64>,
    /// When their windows are.
    drawn: Rc<Density>,
    /// When clients for which these windows were drawn renew.
    meant: Rc<Density>,
    /// What is known of it now.
    before: Known,
    /// What will be known then.
    then: Known,
}

/// What is known of a cohort.
#[derive(Clone, Copy)]
struct Known {
    /// The stage of [`Recognition`] that its polls have reached; `None` if its polls are not evaluated.
    stage: Option<usize>,
    /// f: the chance that the windows are followed.
    follows: Option<f64>,
    /// Whether the clients poll; `None` if unknown.
    asks: Option<bool>,
}

pub(super) struct Server<'a> {
    scenario: &'a Scenario,
    pub(super) allocator: Allocator,
    pub(super) known: Vec<Option<Recognition>>,
    series: Series,
    pub(super) profile: Profile,
    measured: Measured,
    learned_at: Timestamp,
    /// Pending news by how long it takes, each queue in order of time.
    news: [VecDeque<News>; 3],
    /// Since the last daily measurement: the certificates whose windows are polled, and those of them
    /// that do not keep their windows.
    asking: f64,
    broken: f64,
    /// The incidents opened so far, and the hours that are excluded from learning because of them.
    pub(super) incidents: Vec<Incident>,
    pub(super) excluded: Vec<Span>,
}

impl News {
    /// Whether more will be learned about when they wake. An order that names the certificate it
    /// replaces comes with the polls of that one.
    fn known_late(&self) -> bool {
        self.before
            .stage
            .is_none_or(|stage| stage + 1 < RECORD_AGES_SECONDS.len())
    }
}

impl<'a> Server<'a> {
    pub(super) fn new(scenario: &'a Scenario, wakes: &[Wake]) -> Self {
        let series = Series::default();
        let profile = Profile::learn(&series, scenario.start, scenario.policy.slot_seconds, &[]);
        let clients = scenario.clients.iter().zip(wakes);
        Self {
            scenario,
            allocator: Allocator::default(),
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

    /// Applies what has become known until `now`.
    pub(super) fn apply_news(&mut self, now: Timestamp) {
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
            self.allocator.ledger.trim(now - KEPT_SECONDS);
            self.allocator.ledger.learn_returns(now, &self.excluded);
        }
    }

    fn take(&mut self, mut news: News, queue: usize) {
        news.then.follows = Some(if news.then.asks == Some(true) {
            self.measured.kept_share(news.at)
        } else {
            SILENT_FOLLOWS
        });
        self.change(&news);
        // Polls show first that clients poll, and later when they wake; of more clients as time goes
        // by.
        if news.then.asks == Some(true) && queue + 1 < self.news.len() && news.known_late() {
            let then = Known {
                stage: Some(queue),
                ..news.then
            };
            self.news[queue + 1].push_back(News {
                at: news.issued_at + RECORD_AGES_SECONDS[queue],
                before: news.then,
                then,
                ..news
            });
        }
    }

    /// Replaces what the ledger expects of a cohort by what is known now.
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
                self.allocator.ledger.learn_cohort(&nobody, &cohort);
            }
        }
    }

    /// The expected arrivals of a cohort, by what is known of it.
    fn parts(&self, news: &News, known: Known) -> Vec<Part> {
        let all = |density: &Density| {
            vec![Part {
                share: 1.0,
                density: density.clone(),
                response: Response::default(),
            }]
        };
        match (known.stage, &self.known[news.client]) {
            (Some(stage), Some(recognition)) => {
                recognition.expected(stage, &news.drawn, news.woken)
            }
            _ if known.asks == Some(true) => all(&news.drawn),
            _ => all(&news.meant),
        }
    }

    /// Gives windows to the certificates issued in the grain from `now`, with lives of this length.
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
        }) = self.allocator.plan_draw(draw, validity, now)
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
        // Certificates that replace a named one are known from the start, by two months of its polls.
        let named = asks && group.known.is_some();
        let first = Known {
            stage: named.then_some(RECORD_AGES_SECONDS.len() - 1),
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
                self.allocator.ledger.book_cohort(&Cohort {
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
                // If only strangers poll a certificate, it is renewed without its window.
                if self.known[news.client].is_none() {
                    self.broken += news.certificates;
                }
            }
            self.news[0].push_back(news);
        }
    }

    /// The measured share of polling clients that keep their windows.
    pub(super) fn kept_share(&self, now: Timestamp) -> f64 {
        self.measured.kept_share(now)
    }

    /// Books that certificates due in a grain arrive as a density says, after a move at `now`.
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
            // It stands for both and changes nothing.
            issued_at: now,
            life_seconds,
            follows: Some(self.kept_share(now)),
            certificates,
        };
        let after = Cohort {
            windows: Windows::Grains(when.from(), &when.shares, Response::default()),
            ..before
        };
        self.allocator.ledger.learn_cohort(&before, &after);
    }

    /// Adds a count for the grain from `now`.
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
