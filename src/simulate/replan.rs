//! The plan of an incident, made by the code of the service.

use std::collections::BTreeMap;

use super::density::grain_of;
use super::run::Run;
use super::server::Server;
use crate::domain::certificate::Validity;
use crate::domain::certificate::own_rule_seconds;
use crate::domain::demand::announced::announced_and_retries;
use crate::domain::ledger::View;
use crate::domain::math::number::{real, whole};
use crate::domain::moves::incident::{Counted, Incident, Plan, Planner, PlanningContext, Refusal};
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{Span, Timestamp};

/// The certificates due in each grain, by lifetime: all of them, which have windows at about that time,
/// and those whose clients poll.
pub(super) type Pending = BTreeMap<(usize, usize), Due>;

#[derive(Clone, Copy, Default)]
pub(super) struct Due {
    pub(super) all: f64,
    pub(super) listening: f64,
}

/// The approximate window of certificates that are due in a grain.
pub(super) fn window_at(at: Timestamp) -> Span {
    let middle = at + GRAIN_SECONDS / 2;
    Span {
        from: middle - GRAIN_SECONDS * 3 / 2,
        to: middle + GRAIN_SECONDS * 3 / 2,
    }
}

/// The dates of a certificate, issued before `now`, that is renewed at `at` by its own rule.
pub(super) fn dates(at: Timestamp, life_seconds: i64, now: Timestamp) -> Validity {
    // Some are due later than that.
    let not_before = (at - own_rule_seconds(life_seconds)).min(now - GRAIN_SECONDS);
    Validity {
        not_before,
        not_after: not_before + (life_seconds - 1),
    }
}

/// The plan of an incident, made by the code of the service.
pub(super) fn plan(
    run: &Run<'_>,
    server: &Server<'_>,
    incident: &Incident,
    now: Timestamp,
    pending: &Pending,
) -> Result<Plan, Refusal> {
    let population = &run.population;
    let view = View {
        now,
        prior: run.scenario.policy.follow_prior,
        profile: &server.profile,
        life_seconds: run.scenario.lifetimes[0].seconds,
    };
    let ledger = &server.allocator.ledger;
    let kept = server.kept_share(now);
    let scene = |expected| PlanningContext {
        incident,
        policy: &run.scenario.policy,
        now,
        model_version: &server.profile.version,
        failing: &[],
        expected,
    };
    let mut planner = Planner::new();
    let mut moving: BTreeMap<i64, f64> = BTreeMap::new();
    for ((lifetime, grain), due) in pending {
        let at = population.at(*grain);
        let dates = dates(at, run.scenario.lifetimes[*lifetime].seconds, now);
        let count = u64::try_from(whole(due.all.round())).unwrap_or(0);
        // Counting does not use the load.
        if planner.count_many(&scene(&|_| 0.0), dates, window_at(at), count) == Counted::Moves {
            *moving.entry(population.number(*grain)).or_default() += due.listening;
        }
    }
    let moving = |span: Span| -> f64 {
        let grains = moving.range(grain_of(span.from)..=grain_of(span.to - 1));
        let within = grains.map(|(grain, certificates)| {
            let from = Timestamp::from_unix(grain * GRAIN_SECONDS);
            let all = Span {
                from,
                to: from + GRAIN_SECONDS,
            };
            certificates * real(all.overlap_seconds(span)) / real(GRAIN_SECONDS)
        });
        within.sum()
    };
    let expected = |span: Span| {
        let promised = ledger.promised(span) - kept * moving(span);
        promised.max(0.0)
            + ledger.unsteered(span, &view)
            + announced_and_retries(&run.scenario.policy, &server.profile, span)
    };
    planner.plan(&scene(&expected))
}
