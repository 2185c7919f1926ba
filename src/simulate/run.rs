//! The run of one rule on a population, grain by grain.

use std::rc::Rc;

use super::density::{Density, grain_of};
use super::given::Given;
use super::population::{Group, Population};
use super::rules;
use super::scenario::{ClientKind, Failures, Incident, Rule, Scenario};
use super::server::{Arriving, Server};
use super::wake::{Wake, renewals};
use crate::domain::certificate::own_rule_seconds;
use crate::domain::demand::observation::{Kind, Source};
use crate::domain::math::number::length;
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{DAY, Timestamp};

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) rule: Rule,
    pub(super) population: Population<'a>,
    pub(super) server: Option<Server<'a>>,
    /// Whether the CA counts failed attempts.
    counts: bool,
    /// The load that the scenario itself causes, in certificates per slot.
    pub(super) mean: f64,
    /// The grain at which the current slot ends, and the share of attempts that fail in it.
    overload: Option<(usize, f64)>,
    pub(super) notes: Vec<(String, f64)>,
}

/// Certificates that come for renewal in one grain.
#[derive(Clone, Copy)]
struct Coming {
    group: usize,
    certificates: f64,
    /// The grain in which they come back, if their clients have fixed ticks.
    back: Option<i64>,
    /// The same, if it is one of their ticks.
    known: Option<i64>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        rule: Rule,
        population: Population<'a>,
        mean: f64,
    ) -> Self {
        let server = (rule == Rule::Offpeak).then(|| Server::new(scenario, &population.wakes));
        let vain = scenario
            .clients
            .iter()
            .any(|client| client.kind == ClientKind::NeverSucceeds);
        Self {
            scenario,
            rule,
            population,
            server,
            counts: vain || scenario.failures.is_some() || !scenario.incidents.is_empty(),
            mean,
            overload: None,
            notes: Vec::new(),
        }
    }

    /// Simulates one grain; returns the number of attempts.
    pub(super) fn step(&mut self, grain: usize) -> f64 {
        let now = self.population.at(grain);
        if let Some(server) = &mut self.server {
            server.apply_news(now);
        }
        let attempts = self.population.attempts(grain);
        let failing = self.failing(grain, now);
        let mut issued = 0.0;
        for lifetime in 0..self.scenario.lifetimes.len() {
            let coming = self.coming(grain, lifetime, failing);
            issued += coming.iter().map(|coming| coming.certificates).sum::<f64>();
            self.issue(now, &coming);
        }
        if failing > 0.0 {
            self.fail(grain, failing);
        }
        if let Some(server) = self.server.as_mut().filter(|_| self.counts) {
            server.count(now, Source::Ca, Kind::Attempt, attempts);
            server.count(now, Source::Ca, Kind::Failed, attempts - issued);
            server.count(now, Source::Ca, Kind::Issued, issued);
        }
        attempts
    }

    /// The share of attempts that fail now.
    fn failing(&mut self, grain: usize, now: Timestamp) -> f64 {
        if fails(self.scenario, now).is_some() {
            return 1.0;
        }
        let Some(Failures { above, share, .. }) = self.scenario.failures else {
            return 0.0;
        };
        let slot_seconds = self.scenario.policy.slot_seconds;
        if let Some((until, failing)) = self.overload
            && grain < until
        {
            return failing;
        }
        let long = length(slot_seconds / GRAIN_SECONDS);
        let until = grain + long - grain % long;
        let slot = grain..until.min(self.population.grains);
        let load: f64 = slot.map(|grain| self.population.attempts(grain)).sum();
        let failing = if load > above * self.mean { share } else { 0.0 };
        self.overload = Some((until, failing));
        failing
    }

    /// The certificates of a lifetime that are issued in a grain.
    fn coming(&self, grain: usize, lifetime: usize, failing: f64) -> Vec<Coming> {
        let number = self.population.number(grain);
        let groups = self.population.groups.iter().enumerate();
        groups
            .filter(|(_, group)| group.lifetime == lifetime)
            .flat_map(|(n, group)| {
                [
                    (group.outside[grain], None),
                    (group.back[grain], Some(number)),
                ]
                .map(|(certificates, back)| Coming {
                    group: n,
                    back,
                    certificates: certificates * (1.0 - failing),
                    known: back.filter(|_| matches!(self.population.wake(n), Wake::Fixed { .. })),
                })
            })
            .filter(|coming| coming.certificates > 0.0)
            .collect()
    }

    /// Issues certificates, and plans when each comes back.
    fn issue(&mut self, now: Timestamp, coming: &[Coming]) {
        let Some(first) = coming.first() else {
            return;
        };
        let life_seconds = self.population.life_seconds(first.group, now);
        let own_seconds = own_rule_seconds(life_seconds);
        let windows = self.windows(now, life_seconds, coming);
        for (coming, given) in coming.iter().zip(windows) {
            let client = self.population.client(coming.group);
            let wake = self.population.wake(coming.group);
            let when = match given
                .filter(|given| client.kind != ClientKind::NoAri && !given.0.is_empty())
            {
                Some(given) => renewals(client, wake, &given.taken(client.kind), coming.known),
                None => self.by_themselves(coming, now + own_seconds),
            };
            self.population
                .renew(now, own_seconds, coming.certificates, &when);
            let stay = coming.certificates * (1.0 - self.scenario.churn);
            self.population.come_back(coming.group, stay, &when);
        }
    }

    fn windows(
        &mut self,
        now: Timestamp,
        life_seconds: i64,
        coming: &[Coming],
    ) -> Vec<Option<Rc<Given>>> {
        let one = match self.rule {
            Rule::None => return vec![None; coming.len()],
            Rule::Boulder => rules::boulder(now, life_seconds),
            Rule::Inverse => {
                let slot_seconds = self.scenario.policy.slot_seconds;
                rules::inverse(now, life_seconds, slot_seconds, |at| {
                    self.population.usual(at)
                })
            }
            Rule::Offpeak => {
                let Some(server) = &mut self.server else {
                    return vec![None; coming.len()];
                };
                let population = &self.population;
                // Certificates of the past were not registered.
                let registered = self.scenario.past_days == 0
                    || now >= self.scenario.start + own_rule_seconds(life_seconds);
                let arriving: Vec<Arriving> = coming
                    .iter()
                    .map(|coming| {
                        let kind = population.client(coming.group);
                        Arriving {
                            client: population.groups[coming.group].client,
                            certificates: coming.certificates,
                            // The order names the certificate that it replaces, and that one was
                            // polled.
                            known: coming.back.filter(|_| kind.replaces && registered),
                            woken: coming.known,
                        }
                    })
                    .collect();
                let given = server.issue(now, life_seconds, &arriving);
                return given.into_iter().map(Some).collect();
            }
        };
        vec![Some(Rc::new(one)); coming.len()]
    }

    /// When unsteered certificates come back.
    fn by_themselves(&self, coming: &Coming, own_rule_at: Timestamp) -> Density {
        match self.population.wake(coming.group) {
            Wake::Always => {
                let returns = self.scenario.returns.iter();
                Density::of(returns.map(|back| {
                    let at = own_rule_at + back.delay_seconds;
                    let grain = Timestamp::from_unix(grain_of(at) * GRAIN_SECONDS);
                    let span = crate::domain::time::Span {
                        from: grain,
                        to: grain + GRAIN_SECONDS,
                    };
                    (span, back.share)
                }))
            }
            wake => wake.after(&Density::at(own_rule_at), coming.known),
        }
    }

    /// Failed attempts come again: at the next tick, or after the retry time.
    fn fail(&mut self, grain: usize, failing: f64) {
        let now = self.population.at(grain);
        let next = now + GRAIN_SECONDS;
        let number = self.population.number(grain);
        let retry_seconds = fails(self.scenario, now)
            .or_else(|| Some(self.scenario.failures?.retry_seconds))
            .unwrap_or(DAY);
        for group in 0..self.population.groups.len() {
            let wake = self.population.wake(group);
            let again = |known: Option<i64>| match wake {
                Wake::Always => Density::at(now + retry_seconds),
                Wake::Fixed { .. } => wake.after(&Density::at(next), known),
                // The run of this period is over.
                Wake::Random { every, .. } => {
                    let begins = (number.div_euclid(*every) + 1) * every;
                    wake.after(
                        &Density::at(Timestamp::from_unix(begins * GRAIN_SECONDS)),
                        None,
                    )
                }
                // The next run is one whole interval later.
                Wake::Wandering { every, .. } => Density::at(next + (every - 1) * GRAIN_SECONDS),
            };
            let (strangers, back) = (again(None), again(Some(number)));
            let Group {
                outside,
                back: came,
                ..
            } = &self.population.groups[group];
            let (from_outside, come_back) = (outside[grain] * failing, came[grain] * failing);
            self.population.come_back(group, from_outside, &strangers);
            self.population.come_back(group, come_back, &back);
        }
    }
}

/// The seconds after which clients without ticks try again if all attempts fail at `at`; `None` if they
/// do not.
pub(super) fn fails(scenario: &Scenario, at: Timestamp) -> Option<i64> {
    scenario
        .incidents
        .iter()
        .find_map(|incident| match incident {
            Incident::Outage {
                span,
                retry_seconds,
                ..
            } if span.contains(at) => Some(*retry_seconds),
            _ => None,
        })
}
