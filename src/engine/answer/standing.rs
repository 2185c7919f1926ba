//! The status of each CA, and the reports of the last hour.

use std::sync::{Arc, PoisonError};

use crate::domain::demand::series::trust::Disagreement;
use crate::domain::moves::incident::Incident;
use crate::domain::policy::ca::{CaName, CaPolicy};
use crate::domain::publication::documents::PRODUCTION;
use crate::domain::publication::weekly::{CaWeek, Report};
use crate::domain::status::{
    Breach, Evidence, IsoWeek, Live, LiveSeries, PublicIncident, ReportingSource, Standing,
};
use crate::domain::time::{MINUTE, Timestamp};
use crate::engine::blocking::run_blocking_on;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::ca::Ca;
use crate::engine::state::memory::Memory;

/// Reports cached for a minute: one takes 20 KB with ten CAs.
const MOST_REPORTS: usize = 16;

/// The status of a CA.
#[derive(Clone, Debug)]
pub struct CaStanding {
    /// The CA.
    pub ca: CaName,
    /// For example `production`.
    pub environment: String,
    /// Its status.
    pub standing: Standing,
    /// The sources that report its load.
    pub sources: Vec<ReportingSource>,
    /// How far comparable sources differ.
    pub disagreements: Vec<Disagreement>,
}

/// The CAs that most readers mean: the production CAs, or all if there are none.
#[must_use]
pub fn meant(standings: &[CaStanding]) -> Vec<&CaStanding> {
    let production = |one: &&CaStanding| one.environment == PRODUCTION;
    let any = standings.iter().any(|one| production(&one));
    standings
        .iter()
        .filter(|one| !any || production(one))
        .collect()
}

impl Engine {
    /// The status of the CA with this name or, without a name, of all CAs. The CA `default` is left
    /// out if it has no data and others are configured. Empty if there is no such CA.
    #[must_use]
    pub fn how_cas_are(&self, named: Option<&str>) -> Vec<CaStanding> {
        let memory = self.memory();
        let now = self.now();
        let counted = self.counted(named);
        memory
            .config
            .cas
            .iter()
            .zip(&memory.cas)
            .filter(|(policy, _)| counted.contains(&policy.name))
            .map(|(policy, ca)| {
                let standing = standing(&memory, policy, ca, now);
                let series = ca.series.read().unwrap_or_else(PoisonError::into_inner);
                CaStanding {
                    ca: policy.name.clone(),
                    environment: policy.environment.clone(),
                    standing,
                    sources: series.sources(now),
                    disagreements: series.disagreements(now),
                }
            })
            .collect()
    }

    /// The present failure rates above this threshold, of one CA or of all that count.
    #[must_use]
    pub fn breaches(&self, named: Option<&str>, threshold: f64) -> Vec<(CaName, Breach)> {
        let memory = self.memory();
        let counted = self.counted(named);
        let cas = memory.config.cas.iter().zip(&memory.cas);
        cas.filter(|(policy, _)| counted.contains(&policy.name))
            .filter_map(|(policy, ca)| {
                let series = ca.series.read().unwrap_or_else(PoisonError::into_inner);
                let evidence = Evidence {
                    series: &series,
                    incidents: &[],
                    now: self.now(),
                };
                Some((policy.name.clone(), evidence.breach(threshold)?))
            })
            .collect()
    }

    /// The published incidents, latest change first, of one CA or of all.
    #[must_use]
    pub fn public_incidents(&self, ca: Option<&CaName>) -> Vec<PublicIncident> {
        let memory = self.memory();
        let incidents = memory.incidents();
        let concerns = |incident: &&Incident| ca.is_none_or(|ca| incident.ca == *ca);
        PublicIncident::all(incidents.values().filter(concerns), self.now())
    }

    /// The last hour of a CA by minute, source, endpoint and vantage; `None` if there is no such
    /// CA.
    #[must_use]
    pub fn live(&self, ca: &CaName) -> Option<Vec<LiveSeries>> {
        let now = self.now();
        self.of_live(ca, |live| live.combined(now))
    }

    /// The same including the present, incomplete minute, and with separate series if different
    /// reporters use the same vantage.
    #[must_use]
    pub fn live_with_this_minute(&self, ca: &CaName) -> Option<Vec<LiveSeries>> {
        let at = self.now() + MINUTE;
        self.of_live(ca, |live| live.by_reporter(at))
    }

    fn of_live<T>(&self, ca: &CaName, what: impl FnOnce(&Live) -> T) -> Option<T> {
        let memory = self.memory();
        let live = &memory.ca(ca)?.live;
        Some(what(&live.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Engine {
    /// The weekly report of each CA that counts, or of the named one; computed at most once a
    /// minute. `None` if the week has not begun or is no longer stored, or there is no such CA.
    ///
    /// # Errors
    /// [`EngineError::Aside`].
    pub async fn weekly(
        &self,
        week: IsoWeek,
        named: Option<&str>,
    ) -> Result<Option<Arc<Report>>, EngineError> {
        let now = self.now();
        let kept_from = now - self.config().retention_seconds;
        if week.span().from > now || week.span().to <= kept_from {
            return Ok(None);
        }
        let minute = Timestamp::from_unix(now.slot(MINUTE) * MINUTE);
        let asked = (week, named.map(str::to_owned));
        // Other callers wait here for the one who computes it.
        let mut reports = self.reports.lock().await;
        reports.retain(|(_, report)| report.made_at == minute);
        if let Some((_, report)) = reports.iter().find(|(of, _)| *of == asked) {
            return Ok(Some(Arc::clone(report)));
        }
        let counted = self.counted(named);
        let memory = self.memory();
        let making = move || report(&memory, &counted, week, minute);
        let report = Arc::new(run_blocking_on(self.background(), making).await?);
        if report.cas.is_empty() {
            return Ok(None);
        }
        if reports.len() < MOST_REPORTS {
            reports.push((asked, Arc::clone(&report)));
        }
        Ok(Some(report))
    }

    /// The named CA, or all that count.
    fn counted(&self, named: Option<&str>) -> Vec<CaName> {
        match (named, self.unnamed_ca()) {
            (Some(name), _) => name.parse().into_iter().collect(),
            (None, Ok(only)) => vec![only],
            (None, Err(several)) => several,
        }
    }
}

fn report(memory: &Memory, counted: &[CaName], week: IsoWeek, now: Timestamp) -> Report {
    let cas = memory
        .config
        .cas
        .iter()
        .zip(&memory.cas)
        .filter(|(policy, _)| counted.contains(&policy.name))
        .map(|(policy, ca)| {
            let incidents = incidents_of(memory, policy);
            let series = ca.series.read().unwrap_or_else(PoisonError::into_inner);
            let evidence = Evidence {
                series: &series,
                incidents: &incidents,
                now,
            };
            CaWeek {
                ca: policy.name.to_string(),
                environment: policy.environment.clone(),
                weekly: evidence.weekly(week),
            }
        });
    Report {
        week,
        made_at: now,
        cas: cas.collect(),
    }
}

fn incidents_of(memory: &Memory, policy: &CaPolicy) -> Vec<Incident> {
    let known = memory.incidents();
    let of_ca = known.values().filter(|incident| incident.ca == policy.name);
    of_ca.cloned().collect()
}

fn standing(memory: &Memory, policy: &CaPolicy, ca: &Ca, now: Timestamp) -> Standing {
    let incidents = incidents_of(memory, policy);
    let mut before = ca.standing.lock().unwrap_or_else(PoisonError::into_inner);
    let series = ca.series.read().unwrap_or_else(PoisonError::into_inner);
    let evidence = Evidence {
        series: &series,
        incidents: &incidents,
        now,
    };
    let standing = evidence.standing(before.as_ref().map(|(at, standing)| (*at, standing)));
    *before = Some((now, standing.clone()));
    standing
}
