//! Rebalances a CA in two passes over its future windows, a page at a time. The first counts, the
//! second draws and moves.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::scan::{Question, Scan};
use crate::domain::allocation::plan::Forecast;
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::hash::Purpose;
use crate::domain::certificate::{Cause, Certificate};
use crate::domain::math::number::{real, thousandths, whole};
use crate::domain::moves::rebalance::{
    AUTO_ABOVE_DRIFT, Eligible, Group, Kept, KeptCounts, MoveTable, Moves, Outlook,
    RebalanceReport, Tally, drift, group_of, in_closed, move_tables, outlook, plan,
};
use crate::domain::policy::ca::{CaName, CaPolicy, Rebalancing};
use crate::domain::time::{DAY, HOUR, Span, Timestamp};
use crate::engine::blocking::run_blocking;
use crate::engine::error::EngineError;
use crate::engine::service::Engine;
use crate::engine::state::memory::Memory;
use crate::store::{Lease, Move, StoredRebalance, Turn};

/// Certificates per page: about 400 octets each, and one durable step.
const PAGE: u32 = 2_000;
/// A moved window is not moved again for a day; by then most clients have seen it.
const REST_SECONDS: i64 = DAY;
/// An automatic rebalance runs in one of several processes, and at most once in this time.
const AUTO_EVERY_SECONDS: i64 = HOUR;
/// Rebalances listed: three months of daily ones.
const MOST_LISTED: u32 = 100;

/// Whether a rebalance moves anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rebalance {
    /// Yes.
    Apply,
    /// Yes, unless another was begun within the last hour.
    Auto,
    /// No, it only reports what would move.
    DryRun,
}

/// The input of both passes.
struct Work {
    memory: Arc<Memory>,
    /// The index of the CA.
    at: usize,
    /// Its policy, including what incidents close.
    policy: Arc<CaPolicy>,
    now: Timestamp,
    resting_from: Option<i64>,
    outlook: Outlook,
}

/// The drift of a CA's forecast.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Drift {
    /// How far the highest slot exceeds the level.
    above: f64,
    /// The load promised in spans that are closed now.
    in_closed: f64,
}

impl Engine {
    /// Rebalances a CA. `None` if there is no such CA, or (automatically) another process did so
    /// within the last hour. A report without moves is not stored and has no number.
    ///
    /// # Errors
    /// [`EngineError::Store`]: what was moved so far stays moved. [`EngineError::NotSummed`],
    /// [`EngineError::Aside`]: nothing was moved.
    pub async fn rebalance(
        &self,
        ca: &CaName,
        mode: Rebalance,
    ) -> Result<Option<RebalanceReport>, EngineError> {
        self.wait_until_ready().await?;
        let _alone = self.rebalancing.lock().await;
        self.catch_up().await?;
        let memory = self.memory();
        let Some(at) = memory.config.ca_named(ca.as_str()) else {
            return Ok(None);
        };
        let now = self.now();
        let before = self.store().rebalances(MOST_LISTED).await?;
        let recent = before.iter().filter(|one| now - one.made_at < REST_SECONDS);
        let policy = Arc::new(memory.in_force().policies[at].clone());
        let looking = (Arc::clone(&memory), Arc::clone(&policy));
        let outlook = run_blocking(move || look(&looking.1, &looking.0, at, now)).await?;
        let mut work = Work {
            memory: Arc::clone(&memory),
            at,
            policy,
            now,
            resting_from: recent.map(|one| one.number).min(),
            outlook,
        };
        let mut groups: BTreeMap<Group, Tally> = BTreeMap::new();
        let mut report = work.report();
        let mut scan = self.scan_ahead(&work).await?;
        while let Some(page) = scan.next().await? {
            for certificate in page.iter().filter(|one| work.is_ours(one)) {
                report.considered += 1;
                match work.group(certificate) {
                    Ok((group, follows)) => {
                        groups.entry(group).or_default().add(certificate, follows);
                    }
                    Err(kept) => report.kept.add(kept),
                }
            }
        }
        let (move_tables, left_over) = self.move_tables(&work, groups).await?;
        report.left_over = thousandths(left_over);
        let number = match mode {
            _ if move_tables.is_empty() => None,
            Rebalance::DryRun => None,
            Rebalance::Apply => self.store().begin_rebalance(ca, now, None).await?,
            Rebalance::Auto => {
                let since = Some(now - AUTO_EVERY_SECONDS);
                match self.store().begin_rebalance(ca, now, since).await? {
                    None => return Ok(None),
                    number => number,
                }
            }
        };
        report.number = number;
        // A dry run draws like the next rebalance.
        let next = before.first().map_or(1, |one| one.number + 1);
        let cause = Cause::Rebalance(number.unwrap_or(next));
        report.dry_run = mode == Rebalance::DryRun;
        let moves = self.draw(&work, &move_tables, cause, &mut report).await?;
        work.outlook = moves.applied(&work.outlook);
        report.drift_after = thousandths(drift(&work.outlook));
        report.complete = true;
        if let Some(number) = number {
            let body = serde_json::to_string(&report).map_err(|error| EngineError::Corrupt {
                what: "rebalance",
                detail: error.to_string(),
            })?;
            self.store().finish_rebalance(number, &body).await?;
            self.catch_up().await?;
            tracing::info!(event = "rebalanced", %ca, number, moved = report.moved);
        }
        Ok(Some(report))
    }

    /// The second pass: draws for every certificate whether and where it moves. If the report has a
    /// number, it moves them.
    async fn draw(
        &self,
        work: &Work,
        move_tables: &BTreeMap<Group, MoveTable>,
        cause: Cause,
        report: &mut RebalanceReport,
    ) -> Result<Moves, EngineError> {
        let mut moves = Moves::default();
        if move_tables.is_empty() {
            return Ok(moves);
        }
        let mut durable: HashSet<i64> = HashSet::new();
        let mut scan = self.scan_ahead(work).await?;
        while let Some(page) = scan.next().await? {
            let mut step: Vec<Move> = Vec::new();
            let mut tables: Vec<StoredTable> = Vec::new();
            for certificate in page.iter().filter(|one| work.is_ours(one)) {
                let Ok((group, follows)) = work.group(certificate) else {
                    continue;
                };
                let Some(lottery) = move_tables.get(&group) else {
                    continue;
                };
                let salt = cause.salt();
                let memory = &work.memory;
                let hash = memory.salted_hash(Purpose::Window1, &certificate.id, salt);
                let Some((to, basis)) = lottery.draw(hash, certificate.validity) else {
                    continue;
                };
                moves.add(&group, to.from.slot(work.outlook.slot_seconds), follows);
                if durable.insert(lottery.stored.number) {
                    tables.push(lottery.stored.clone());
                }
                step.push(Move {
                    id: certificate.id.clone(),
                    from: certificate.window,
                    to,
                    basis,
                    cause,
                });
            }
            if report.number.is_some() && !step.is_empty() {
                let done = self.store().move_windows(&tables, &step).await?;
                report.overtaken += (step.len() as u64).saturating_sub(done);
            }
        }
        report.moved = moves.moved().saturating_sub(report.overtaken);
        report.slots = moves.slots(&work.outlook);
        Ok(moves)
    }

    /// Certificates with future windows, including those of other CAs.
    async fn scan_ahead(&self, work: &Work) -> Result<Scan, EngineError> {
        let Work { now, outlook, .. } = work;
        let span = Span {
            from: *now,
            to: outlook.start(outlook.number(outlook.slots.len())),
        };
        let ranges = self.scan_ranges().await?;
        Ok(self.scan(ranges, Question::WithWindows { span, now: *now }, PAGE))
    }

    /// The plan's tables, and what did not fit. A second of computation, so it does not run on a
    /// thread that answers.
    async fn move_tables(
        &self,
        work: &Work,
        groups: BTreeMap<Group, Tally>,
    ) -> Result<(BTreeMap<Group, MoveTable>, f64), EngineError> {
        let (memory, at, now) = (Arc::clone(&work.memory), work.at, work.now);
        let policy = Arc::clone(&work.policy);
        let outlook = work.outlook.clone();
        run_blocking(move || {
            let plan = plan(&outlook, &groups);
            let profile = memory.cas[at].profile.load();
            let tables = move_tables(&policy, &profile, now, &outlook, &plan, &groups);
            (tables, plan.left_over)
        })
        .await
    }

    /// The stored rebalances, newest first.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn rebalances(&self) -> Result<Vec<StoredRebalance>, EngineError> {
        Ok(self.store().rebalances(MOST_LISTED).await?)
    }

    /// Measures the drift of every CA's forecast, and rebalances CAs for which that is automatic.
    ///
    /// # Errors
    /// [`EngineError::Store`], [`EngineError::Aside`].
    pub async fn watch_drift(&self) -> Result<(), EngineError> {
        for (at, policy) in self.config().cas.iter().enumerate() {
            let memory = self.memory();
            let now = self.now();
            let Drift { above, in_closed } =
                run_blocking(move || measure(&memory, at, now)).await?;
            let ca = policy.name.to_string();
            metrics::gauge!("offpeak_drift", "ca" => ca.clone()).set(above);
            metrics::gauge!("offpeak_promised_in_closed", "ca" => ca).set(in_closed);
            let drifted = above > AUTO_ABOVE_DRIFT || in_closed >= 1.0;
            if policy.rebalance != Rebalancing::Auto || !drifted {
                continue;
            }
            let store = self.store();
            if let Some(_term) = store.take_lease(Lease::Rebalance, Turn::Now).await? {
                self.rebalance(&policy.name, Rebalance::Auto).await?;
            }
        }
        Ok(())
    }
}

impl Work {
    fn report(&self) -> RebalanceReport {
        let drift = thousandths(drift(&self.outlook));
        RebalanceReport {
            number: None,
            ca: self.policy.name.clone(),
            made_at: self.now,
            dry_run: false,
            complete: false,
            slot_seconds: self.outlook.slot_seconds,
            drift_before: drift,
            drift_after: drift,
            considered: 0,
            moved: 0,
            overtaken: 0,
            kept: KeptCounts::default(),
            left_over: 0.0,
            slots: Vec::new(),
        }
    }

    fn is_ours(&self, certificate: &Certificate) -> bool {
        let issuer = &certificate.id.key_identifier;
        self.memory.config.ca_of(issuer) == Some(self.at)
    }

    /// The group of a certificate, and the probability that its client follows.
    fn group(&self, certificate: &Certificate) -> Result<(Group, f64), Kept> {
        let (follows, ticks) = self.expected(certificate);
        if ticks {
            // Its client renews at its tick, wherever in the hour before the window is.
            return Err(Kept::Settled);
        }
        let eligible = Eligible {
            policy: &self.policy,
            now: self.now,
            closed: &self.outlook.closed,
            resting_from: self.resting_from,
        };
        Ok((group_of(&eligible, certificate, follows)?, follows))
    }

    /// The present f, or 0 for certificates that are probably replaced already; and whether the
    /// client wakes at ticks.
    fn expected(&self, certificate: &Certificate) -> (f64, bool) {
        let index = &self.memory.index;
        let fingerprint = index.fingerprint(&certificate.id);
        let known = index.get(fingerprint, |entry| entry.expected);
        let known = known.unwrap_or_default();
        let ticks = known.response.schedule().choices_are_few();
        (known.follows.unwrap_or(0.0), ticks)
    }
}

/// The outlook of a CA, up to its last window, for its mean lifetime.
fn look(policy: &CaPolicy, memory: &Memory, at: usize, now: Timestamp) -> Outlook {
    let mut count: f64 = 0.0;
    let mut lives = 0.0;
    let mut until = now;
    memory.index.each(|entry| {
        if usize::from(entry.ca) == at && !entry.replaced {
            count += 1.0;
            lives += real(entry.validity.life_seconds());
            until = until.max(entry.window.to);
        }
    });
    let ca = &memory.cas[at];
    // A copy takes some milliseconds, during which registrations wait.
    let ledger = ca.allocator().ledger.clone();
    outlook(
        &Forecast {
            policy,
            ledger: &ledger,
            profile: &ca.profile.load(),
            now,
            life_seconds: if count > 0.0 {
                whole(lives / count)
            } else {
                90 * DAY
            },
        },
        // A day more, because windows may move to a later time.
        until + DAY,
    )
}

fn measure(memory: &Memory, at: usize, now: Timestamp) -> Drift {
    let outlook = look(&memory.in_force().policies[at], memory, at, now);
    let allocator = memory.cas[at].allocator();
    Drift {
        above: drift(&outlook),
        in_closed: in_closed(&outlook, &allocator.ledger),
    }
}
