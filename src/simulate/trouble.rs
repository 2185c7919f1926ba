//! Outages and revocations, and how the rules handle them.

use super::density::{Density, grain_of};
use super::given::Given;
use super::population::Population;
use super::replan::{Pending, dates, plan, window_at};
use super::run::{Run, fails};
use super::scenario::{self, BeyondBudget, ClientKind, Rule};
use super::wake::{Wake, renewals};
use super::windows::strata;
use crate::domain::allocation::band::retry_after_base;
use crate::domain::math::number::{length, real};
use crate::domain::moves::incident::{Incident, Kind, Refusal, State, learning_excluded};
use crate::domain::policy::ca::CaName;
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{HOUR, Span, Timestamp};

/// The windows moved by an outage are at most this many seconds after its end.
const BESIDE_SECONDS: i64 = 2 * HOUR;
/// How many upper halves of hashes represent all certificates of one grain.
const UPPER: i64 = 48;

/// One event at the CA, and its state.
pub(super) struct Trouble<'a> {
    what: &'a scenario::Incident,
    /// The incident as the operator has opened it; `None` before that.
    incident: Option<Incident>,
    plan_again_at: Option<Timestamp>,
    done: bool,
}

impl<'a> Trouble<'a> {
    pub(super) fn new(what: &'a scenario::Incident) -> Self {
        Self {
            what,
            incident: None,
            plan_again_at: None,
            done: false,
        }
    }

    /// Starts and ends what is due by `grain`.
    pub(super) fn befall(&mut self, run: &mut Run<'_>, grain: usize) {
        let now = run.population.at(grain);
        if self.done || now < self.what.begins() {
            return;
        }
        match *self.what {
            scenario::Incident::Outage {
                span,
                opened_after_seconds,
                ..
            } => self.outage(run, now, span, opened_after_seconds),
            scenario::Incident::Revocation {
                share,
                renew_by,
                budget,
                beyond_budget,
                ..
            } => {
                self.done = true;
                if run.rule == Rule::Offpeak {
                    let over_budget = beyond_budget == BeyondBudget::Exceed;
                    let mean = run.mean_per_hour();
                    let revocation = Incident {
                        renew_by: Some(renew_by),
                        budget_per_hour: Some(budget * mean),
                        over_budget,
                        ..incident(Kind::Revocation, now)
                    };
                    revoke(run, revocation, now, share, mean);
                } else if run.rule != Rule::None {
                    run.renew_at_once(grain, share);
                }
            }
        }
    }

    fn outage(&mut self, run: &mut Run<'_>, now: Timestamp, span: Span, opened_after: i64) {
        if run.rule != Rule::Offpeak {
            self.done = true;
            return;
        }
        if let Some(incident) = self.incident.as_mut() {
            if now >= span.to {
                incident.to = Some(span.to);
                // The state can always change from open to closed.
                let _ = incident.advance(State::Closed, now);
                self.done = true;
            } else if self.plan_again_at.is_none_or(|at| now < at) {
                return;
            }
        } else if now >= span.from + opened_after {
            let mut outage = Incident {
                from: Some(span.from),
                ..incident(Kind::Outage, now)
            };
            let _ = outage.advance(State::Open, now);
            self.incident = Some(outage);
        } else {
            return;
        }
        if let Some(incident) = &self.incident {
            run.exclude(incident);
            self.plan_again_at = incident.plan_again_at(now);
            let end = incident.assumed_end(now).unwrap_or(now) + BESIDE_SECONDS;
            // The plan of an outage cannot be refused.
            let _ = run.move_windows(incident, now, end, 1.0);
        }
    }
}

/// Opens a revocation of a share of all live certificates.
fn revoke(run: &mut Run<'_>, mut revocation: Incident, now: Timestamp, share: f64, mean: f64) {
    let _ = revocation.advance(State::Open, now);
    match run.move_windows(&revocation, now, Timestamp::MAX, share) {
        Ok(moved) => run.note("certificates whose windows the revocation moved", moved),
        Err(refusal) => {
            let budget = refusal.smallest_budget_per_hour / mean;
            run.note(
                "refused; the smallest budget that would do (x mean)",
                budget,
            );
            return;
        }
    }
    run.exclude(&revocation);
}

fn incident(kind: Kind, now: Timestamp) -> Incident {
    Incident {
        id: 1,
        ..Incident::draft(kind, CaName::default(), "simulated".to_owned(), now)
    }
}

fn listens(population: &Population<'_>, group: usize) -> bool {
    population.client(group).kind != ClientKind::NoAri
}

impl Run<'_> {
    /// Moves the windows of `share` of the certificates that are due from `now` until before `until`,
    /// as an incident requires. Returns how many were moved.
    fn move_windows(
        &mut self,
        incident: &Incident,
        now: Timestamp,
        until: Timestamp,
        share: f64,
    ) -> Result<f64, Refusal> {
        let pending = self.pending(now, until, share);
        let Some(server) = &self.server else {
            return Ok(0.0);
        };
        let plan = plan(self, server, incident, now, &pending)?;
        let mut moved = 0.0;
        for (lifetime, grain) in pending.keys() {
            let at = self.population.at(*grain);
            let dates = dates(at, self.scenario.lifetimes[*lifetime].seconds, now);
            let given: Vec<(Span, f64)> = strata(UPPER)
                .filter_map(|(hash, part)| {
                    let (window, _) = plan.window(hash, dates, window_at(at))?;
                    Some((window, part))
                })
                .collect();
            if !given.is_empty() {
                moved += self.moved(now, *lifetime, *grain, share, &Given(given));
            }
        }
        Ok(moved)
    }

    /// The certificates that are due, by lifetime and grain.
    fn pending(&self, now: Timestamp, until: Timestamp, share: f64) -> Pending {
        let population = &self.population;
        let first = length((now - self.scenario.start) / GRAIN_SECONDS);
        let last = (until.min(self.scenario.span().to) - self.scenario.start) / GRAIN_SECONDS;
        let mut pending = Pending::new();
        for (n, group) in population.groups.iter().enumerate() {
            let listening = if listens(population, n) { 1.0 } else { 0.0 };
            for grain in first..length(last).min(population.grains) {
                let certificates = share * group.back[grain];
                if certificates > 0.0 {
                    let due = pending.entry((group.lifetime, grain)).or_default();
                    due.all += certificates;
                    due.listening += listening * certificates;
                }
            }
        }
        pending
    }

    /// Moves `share` of the certificates of a lifetime that are due in a grain to new windows.
    fn moved(
        &mut self,
        now: Timestamp,
        lifetime: usize,
        grain: usize,
        share: f64,
        given: &Given,
    ) -> f64 {
        let number = self.population.number(grain);
        let at = self.population.at(grain);
        let life_seconds = self.scenario.lifetimes[lifetime].seconds;
        let interval = real(retry_after_base(&self.scenario.policy, life_seconds));
        let mut moved = 0.0;
        for group in 0..self.population.groups.len() {
            let all = self.population.groups[group].back[grain];
            let client = self.population.client(group);
            if self.population.groups[group].lifetime != lifetime
                || !listens(&self.population, group)
                || all <= 0.0
            {
                continue;
            }
            let certificates = share * all;
            self.population.groups[group].back[grain] -= certificates;
            moved += certificates;
            let wake = self.population.wake(group);
            let when = renewals(client, wake, &given.taken(client.kind), Some(number));
            // Clients with ticks poll before they order. Daemons poll when `Retry-After` says so, some
            // of them not before their old window.
            let late = match wake {
                Wake::Always => (1.0 - real(at - now) / interval).clamp(0.0, 1.0),
                _ => 0.0,
            };
            let stubborn = self.until_informed(group, grain, certificates, late, interval);
            self.population
                .come_back(group, certificates - stubborn, &when);
            if let Some(server) = &mut self.server {
                server.moved(now, life_seconds, certificates, number, &when);
            }
        }
        moved
    }

    /// The share `late` of the certificates of a grain, whose clients order before they have polled the
    /// new window. In an outage they fail again and again until they poll. Returns how many succeed.
    fn until_informed(
        &mut self,
        group: usize,
        grain: usize,
        certificates: f64,
        late: f64,
        interval: f64,
    ) -> f64 {
        let at = self.population.at(grain);
        let left = late * interval;
        let mut order = at;
        loop {
            let waiting = late * (1.0 - real(order - at) / left.max(1.0)).clamp(0.0, 1.0);
            if waiting <= 0.0 {
                return 0.0;
            }
            let Some(retry_seconds) = fails(self.scenario, order) else {
                let through = certificates * waiting;
                self.population
                    .come_back(group, through, &Density::at(order));
                return through;
            };
            self.population
                .order_in_vain(grain_of(order), certificates * waiting);
            order = order + retry_seconds;
        }
    }

    /// Boulder's way: the window of an affected certificate is in the past, and it is renewed at its
    /// client's next poll.
    fn renew_at_once(&mut self, grain: usize, share: f64) {
        let now = self.population.at(grain);
        for group in 0..self.population.groups.len() {
            if !listens(&self.population, group) {
                continue;
            }
            let wake = self.population.wake(group).clone();
            let life_seconds = self.population.life_seconds(group, now);
            let interval = retry_after_base(&self.scenario.policy, life_seconds) / GRAIN_SECONDS;
            let soon = Density {
                first: grain_of(now) + 1,
                shares: vec![1.0 / real(interval.max(1)); length(interval.max(1))],
            };
            for later in grain + 1..self.population.grains {
                let certificates = share * self.population.groups[group].back[later];
                if certificates <= 0.0 {
                    continue;
                }
                let known = self.population.number(later);
                self.population.groups[group].back[later] -= certificates;
                let when = match wake {
                    Wake::Always => soon.clone(),
                    _ => wake.after(&Density::at(now + GRAIN_SECONDS), Some(known)),
                };
                self.population.come_back(group, certificates, &when);
            }
        }
    }

    /// Excludes the hours of an incident from learning.
    fn exclude(&mut self, incident: &Incident) {
        if let Some(server) = &mut self.server {
            server
                .incidents
                .retain(|known| known.created_at != incident.created_at);
            server.incidents.push(incident.clone());
            server.excluded = learning_excluded(&server.incidents);
        }
    }

    pub(super) fn mean_per_hour(&self) -> f64 {
        self.mean * real(HOUR) / real(self.scenario.policy.slot_seconds)
    }

    /// Notes a figure.
    pub(super) fn note(&mut self, name: &str, value: f64) {
        self.notes.push((name.to_owned(), value));
    }
}
