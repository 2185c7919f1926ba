//! A time for each certificate of a large fleet, on one core, through the crate's own interface.

use anyhow::bail;
use offpeak::domain::demand::profile::Profile;
use offpeak::domain::demand::series::Series;
use offpeak::domain::plan::{Catalogue, Demand, Renewal, Terms, plan};
use offpeak::domain::policy::ca::{CaName, CaPolicy};
use offpeak::domain::publication::best_time::Ranking;
use offpeak::domain::publication::ranking::{Times, rank};
use offpeak::domain::time::{DAY, Timestamp};

use super::figures::Figures;
use super::process::thread_seconds;
use super::setup::Setup;

/// As many as the plan is to take a second for at most.
const CERTIFICATES: usize = 100_000;
/// Each account may begin 300 orders in 3 h, 72,000 in 30 days: ten have room for seven times as many.
const ACCOUNTS: usize = 10;
const DAYS: i64 = 30;

pub(super) fn plan_of_many(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let now = Timestamp::from_unix(i64::try_from(setup.began)?);
    let policy = CaPolicy::named("speed".parse::<CaName>()?);
    let profile = Profile::learn(&Series::default(), now, policy.slot_seconds, &[]);
    let document = rank(None, &profile, &policy, &Times::new(now, DAY));
    let demand = Demand::of_ranking(&Ranking::parse(&document)?);
    let limits = Catalogue::named("letsencrypt")?;
    // Of customers with a registered domain each, in the order in which they came.
    let fleet: Vec<Renewal> = (0..CERTIFICATES)
        .map(|n| Renewal {
            names: vec![
                format!("customer{n}.example"),
                format!("www.customer{n}.example"),
            ],
            account: format!("account {}", n % ACCOUNTS),
            ..Renewal::default()
        })
        .collect();
    let terms = Terms {
        now,
        demand: &demand,
        limits: &limits,
        deadline: now + DAYS * DAY,
        max_per_minute: None,
        max_concurrent: None,
        order_seconds: 60,
        seed: 7,
    };
    let mut rounds = Vec::new();
    for _ in 0..setup.size.rounds {
        let before = thread_seconds()?;
        let Ok(planned) = plan(&terms, &fleet) else {
            bail!("the fleet cannot be planned");
        };
        rounds.push(thread_seconds()? - before);
        if planned.times.len() != CERTIFICATES {
            bail!("{} certificates have a time", planned.times.len());
        }
    }
    figures.put("plan_of_many", &rounds)
}
