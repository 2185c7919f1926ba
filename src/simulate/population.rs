//! The population: how many certificates come for renewal in each grain.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand_distr::{Distribution as _, Poisson};

use super::density::{Density, grain_of};
use super::scenario::{Client, ClientKind, Scenario};
use super::wake::Wake;
use crate::domain::certificate::own_rule_seconds;
use crate::domain::math::number::{length, real, signed, whole};
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{DAY, HOUR, Timestamp};

/// Certificates with the same client and lifetime.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The index of the client in the scenario.
    pub(super) client: usize,
    /// The index of the lifetime in the scenario.
    pub(super) lifetime: usize,
    /// Certificates from outside in each grain of the run. Those of clients with fixed ticks are not
    /// yet assigned to ticks.
    pub(super) outside: Vec<f64>,
    /// Certificates that come back in each grain; those of clients with fixed ticks at these.
    pub(super) back: Vec<f64>,
}

/// All certificates.
#[derive(Clone, Debug)]
pub(super) struct Population<'a> {
    scenario: &'a Scenario,
    /// The number of the first grain, counted from 1970.
    first: i64,
    /// The number of grains in the run.
    pub(super) grains: usize,
    pub(super) groups: Vec<Group>,
    /// How each client of the scenario wakes.
    pub(super) wakes: Vec<Wake>,
    /// The orders of clients that never succeed, in each grain, by client.
    vain: Vec<(usize, Vec<f64>)>,
    /// Other failed orders in each grain, while the CA does not answer.
    lost: Vec<f64>,
    /// The sum of the shares of life by which renewals were early, and the number of renewals.
    early: f64,
    renewals: f64,
}

impl Group {
    /// The certificates that come in a grain.
    pub(super) fn in_grain(&self, grain: usize) -> f64 {
        self.outside[grain] + self.back[grain]
    }
}

/// The shape of the first cycle, continued.
fn shape(scenario: &Scenario, at: Timestamp) -> f64 {
    if let Some(hours) = &scenario.arrivals {
        let hour = (at - scenario.start).div_euclid(HOUR);
        return hours[length(hour.rem_euclid(signed(hours.len().max(1))))];
    }
    let hour = length(at.second_of_day() / HOUR);
    let weekday = length(at.second_of_week() / DAY);
    scenario.hours[hour] * scenario.weekdays[weekday]
}

/// The mean of the shape over the day that contains an instant.
fn shape_of_day(scenario: &Scenario, at: Timestamp) -> f64 {
    let midnight = at - at.second_of_day();
    let hours = (0..24).map(|hour| shape(scenario, midnight + hour * HOUR));
    hours.sum::<f64>() / 24.0
}

impl<'a> Population<'a> {
    /// The certificates from outside: Poisson counts in the scenario's shape, the same for every rule.
    /// They begin with the scenario's past.
    pub(super) fn first(scenario: &'a Scenario) -> Self {
        let days = i64::from(scenario.past_days) + i64::from(scenario.days);
        let grains = length(days * DAY / GRAIN_SECONDS);
        let mut population = Self {
            scenario,
            first: grain_of(scenario.past_begins()),
            grains,
            groups: Vec::new(),
            wakes: scenario
                .clients
                .iter()
                .map(|client| Wake::new(client.ticks.as_ref()))
                .collect(),
            vain: Vec::new(),
            lost: vec![0.0; grains],
            early: 0.0,
            renewals: 0.0,
        };
        let mut dice = StdRng::seed_from_u64(scenario.seed);
        for lifetime in 0..scenario.lifetimes.len() {
            for client in 0..scenario.clients.len() {
                if scenario.clients[client].kind == ClientKind::NeverSucceeds {
                    population.never_succeeds(client, lifetime);
                    continue;
                }
                let outside = population.outside(client, lifetime, &mut dice);
                let mut group = Group {
                    client,
                    lifetime,
                    outside,
                    back: vec![0.0; grains],
                };
                if scenario.past_days > 0 {
                    population.at_ticks(&mut group, &mut dice);
                }
                population.groups.push(group);
            }
        }
        population
    }

    /// The mean number of certificates from outside per grain, for a share, over the first cycle.
    fn per_grain(&self, client: usize, lifetime: usize) -> f64 {
        let share = self.scenario.lifetimes[lifetime].share * self.scenario.clients[client].share;
        share * self.scenario.certificates_per_hour * real(GRAIN_SECONDS) / real(HOUR)
    }

    /// How long certificates of a lifetime come from outside, in seconds: as long as they take to come
    /// back.
    fn comes_seconds(&self, lifetime: usize) -> i64 {
        let life = self.scenario.lifetimes[lifetime].seconds;
        own_rule_seconds(life) * i64::from(self.scenario.first_cycle_days) / 60
    }

    fn outside(&self, client: usize, lifetime: usize, dice: &mut StdRng) -> Vec<f64> {
        let scenario = self.scenario;
        let comes_until = self.at(0)
            + if scenario.past_days > 0 {
                own_rule_seconds(scenario.lifetimes[lifetime].seconds)
                    + self.late_seconds(client, lifetime)
            } else {
                self.comes_seconds(lifetime)
            };
        let per_grain = self.per_grain(client, lifetime);
        let counts = (0..self.grains).map(|grain| {
            let at = self.at(grain);
            let usual = shape(scenario, at);
            let comes = if at < comes_until {
                1.0
            } else {
                scenario.churn
            };
            let comes = comes * usual;
            let bursts = scenario.bursts.iter();
            let bursts = bursts.filter(|burst| burst.span.contains(at));
            let more: f64 = bursts.map(|burst| (burst.factor - 1.0).max(0.0)).sum();
            let mean = per_grain * (comes + more * usual);
            if mean > 0.0 {
                Poisson::new(mean).map_or(mean, |law| law.sample(dice))
            } else {
                0.0
            }
        });
        counts.collect()
    }

    /// Moves certificates of the first cycle to the fixed ticks of their clients, because in a CA with
    /// a past they have been renewed at these for a long time.
    fn at_ticks(&self, group: &mut Group, dice: &mut StdRng) {
        let Wake::Fixed { shares } = &self.wakes[group.client] else {
            return;
        };
        let life = self.scenario.lifetimes[group.lifetime].seconds;
        // They come back at the first tick from then on.
        let period = signed(shares.len()) * GRAIN_SECONDS;
        let long = (own_rule_seconds(life) + period - 1) / period * period;
        let grains = length(long / GRAIN_SECONDS).min(self.grains);
        let per_period = self.per_grain(group.client, group.lifetime) * real(signed(shares.len()));
        for grain in 0..grains {
            let tick = length(self.number(grain).rem_euclid(signed(shares.len())));
            let mean = per_period * shares[tick] * shape_of_day(self.scenario, self.at(grain));
            group.outside[grain] = 0.0;
            group.back[grain] = if mean > 0.0 {
                Poisson::new(mean).map_or(mean, |law| law.sample(dice))
            } else {
                0.0
            };
        }
    }

    /// How many seconds after 2/3 of life unsteered clients without fixed ticks come back on average. A
    /// past comes from outside for that much longer, so that the first certificates come back when the
    /// last ones have come.
    fn late_seconds(&self, client: usize, lifetime: usize) -> i64 {
        let own = own_rule_seconds(self.scenario.lifetimes[lifetime].seconds);
        match &self.wakes[client] {
            Wake::Always => {
                let returns = self.scenario.returns.iter();
                let late = returns.map(|back| real(back.delay_seconds) * back.share);
                whole(late.sum::<f64>())
            }
            Wake::Fixed { .. } => 0,
            wake => {
                // Averaged over a day, one instant per hour.
                let late: f64 = (0..24)
                    .map(|hour| {
                        let due = grain_of(self.at(0) + own + hour * HOUR);
                        let at = Timestamp::from_unix(due * GRAIN_SECONDS);
                        let back = wake.after(&Density::at(at), None);
                        let late = back
                            .grains()
                            .map(|(grain, share)| real(grain - due) * share);
                        late.sum::<f64>()
                    })
                    .sum();
                whole(late / 24.0 * real(GRAIN_SECONDS))
            }
        }
    }

    /// Ends the past: everything before the scenario's start is dropped, and what is due later still
    /// comes.
    pub(super) fn begin(&mut self) {
        let past = length((self.scenario.start - self.at(0)) / GRAIN_SECONDS);
        let lines = self
            .groups
            .iter_mut()
            .flat_map(|group| [&mut group.outside, &mut group.back]);
        let vain = self.vain.iter_mut().map(|(_, orders)| orders);
        for line in lines.chain(vain).chain([&mut self.lost]) {
            line.drain(..past);
        }
        self.first += signed(past);
        self.grains -= past;
        (self.early, self.renewals) = (0.0, 0.0);
    }

    /// Each client orders at each of its ticks, from the first day on.
    fn never_succeeds(&mut self, client: usize, lifetime: usize) {
        let clients = self.per_grain(client, lifetime) * real(self.comes_seconds(lifetime))
            / real(GRAIN_SECONDS);
        let wake = &self.wakes[client];
        let orders = (0..self.grains).map(|grain| {
            let number = self.number(grain);
            match wake {
                Wake::Always => 0.0,
                Wake::Fixed { shares } => {
                    clients * shares[length(number.rem_euclid(signed(shares.len())))]
                }
                Wake::Random { every, up_to } if number.rem_euclid(*every) >= *up_to => 0.0,
                Wake::Random { up_to, .. } => clients / real(*up_to),
                Wake::Wandering { every, .. } => clients / real((*every).max(1)),
            }
        });
        let orders = orders.collect();
        self.vain.push((client, orders));
    }

    /// When a grain of the run begins.
    pub(super) fn at(&self, grain: usize) -> Timestamp {
        Timestamp::from_unix((self.first + signed(grain)) * GRAIN_SECONDS)
    }

    /// The number of a grain of the run, counted from 1970.
    pub(super) fn number(&self, grain: usize) -> i64 {
        self.first + signed(grain)
    }

    /// The client of a group.
    pub(super) fn client(&self, group: usize) -> &'a Client {
        &self.scenario.clients[self.groups[group].client]
    }

    /// How the client of a group wakes.
    pub(super) fn wake(&self, group: usize) -> &Wake {
        &self.wakes[self.groups[group].client]
    }

    /// The life in seconds of certificates issued to a group at an instant.
    pub(super) fn life_seconds(&self, group: usize, at: Timestamp) -> i64 {
        let lifetime = &self.scenario.lifetimes[self.groups[group].lifetime];
        match lifetime.change {
            Some(change) if at >= change.from => change.seconds,
            _ => lifetime.seconds,
        }
    }

    /// All attempts in a grain of the run.
    pub(super) fn attempts(&self, grain: usize) -> f64 {
        let groups = self.groups.iter();
        let of_groups: f64 = groups.map(|group| group.in_grain(grain)).sum();
        of_groups + self.vain(grain) + self.lost[grain]
    }

    /// The attempts of a grain that no window can steer.
    pub(super) fn unsteerable(&self, grain: usize) -> f64 {
        let groups = self.groups.iter();
        let deaf = groups
            .filter(|group| self.scenario.clients[group.client].kind == ClientKind::NoAri)
            .map(|group| group.in_grain(grain));
        deaf.sum::<f64>() + self.vain(grain)
    }

    fn vain(&self, grain: usize) -> f64 {
        self.vain.iter().map(|(_, orders)| orders[grain]).sum()
    }

    /// The orders of each client that never succeeds, in a grain.
    pub(super) fn vain_clients(&self, grain: usize) -> impl Iterator<Item = (&'a Client, f64)> {
        let vain = self.vain.iter();
        vain.map(move |(client, orders)| (&self.scenario.clients[*client], orders[grain]))
    }

    /// The orders per day of clients that never succeed.
    pub(super) fn vain_per_day(&self) -> f64 {
        let grains = length(DAY / GRAIN_SECONDS).min(self.grains);
        (0..grains).map(|grain| self.vain(grain)).sum()
    }

    /// The certificates of all bursts.
    pub(super) fn burst_certificates(&self) -> f64 {
        let per_second = self.scenario.certificates_per_hour / real(HOUR);
        let bursts = self.scenario.bursts.iter();
        let more = bursts.map(|burst| {
            let grains = (burst.span.to - burst.span.from) / GRAIN_SECONDS;
            let usual = (0..grains).map(|n| self.usual(burst.span.from + n * GRAIN_SECONDS));
            (burst.factor - 1.0).max(0.0) * usual.sum::<f64>() * real(GRAIN_SECONDS)
        });
        per_second * more.sum::<f64>()
    }

    /// The usual load at an instant, with the mean 1: the shape of the first cycle.
    pub(super) fn usual(&self, at: Timestamp) -> f64 {
        shape(self.scenario, at)
    }

    /// Lets `certificates` of a group come back as a density says.
    pub(super) fn come_back(&mut self, group: usize, certificates: f64, when: &Density) {
        let first = self.first;
        let back = &mut self.groups[group].back;
        for (grain, share) in when.grains() {
            if let Some(slot) = usize::try_from(grain - first)
                .ok()
                .and_then(|grain| back.get_mut(grain))
            {
                *slot += certificates * share;
            }
        }
    }

    /// Adds failed orders in a grain, given by its number counted from 1970.
    pub(super) fn order_in_vain(&mut self, number: i64, certificates: f64) {
        let grain = usize::try_from(number - self.first).ok();
        if let Some(lost) = grain.and_then(|grain| self.lost.get_mut(grain)) {
            *lost += certificates;
        }
    }

    /// Records that `certificates` issued at `at` renew as a density says, while by the clients' own
    /// rule they would renew after `own_seconds`.
    pub(super) fn renew(
        &mut self,
        at: Timestamp,
        own_seconds: i64,
        certificates: f64,
        when: &Density,
    ) {
        self.renewals += certificates;
        let own = grain_of(at + own_seconds);
        let early: f64 = when
            .grains()
            .take_while(|(grain, _)| *grain < own)
            .map(|(grain, share)| real(own - grain) * share)
            .sum();
        self.early += certificates * early * real(GRAIN_SECONDS) / real(own_seconds.max(1));
    }

    /// The additional issuance caused by early renewals, as a share of all issuance.
    pub(super) fn extra_issuance(&self) -> f64 {
        self.early / self.renewals.max(1.0)
    }
}
