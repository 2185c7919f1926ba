//! Moves windows by a plan, a page at a time.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::IncidentError;
use super::survey::{Subject, Survey};
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::{Basis, Cause, Certificate};
use crate::domain::client::reach::Unreached;
use crate::domain::moves::incident::{Incident, Plan};
use crate::engine::blocking::run_blocking;
use crate::engine::service::Engine;
use crate::store::Move;

/// How many windows are moved between updates of the incident's count. Each update is a change that
/// all replicas read.
const NOTED_EVERY: u64 = 50_000;

/// The result of moving.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    pub(super) windows: u64,
    /// How many clients do not learn of it in time, among those not moved before.
    pub(super) unreached: Unreached,
}

impl Engine {
    /// Moves the windows that a survey found, each certificate once. A window that has changed in
    /// the meantime stays.
    ///
    /// # Errors
    /// [`IncidentError::Engine`]: windows moved so far stay moved, and opening the incident again
    /// continues.
    pub(super) async fn move_all(
        &self,
        subject: &Subject,
        survey: &Survey,
    ) -> Result<Moved, IncidentError> {
        let id = subject.incident.id;
        let already = survey.already;
        let plan = Arc::clone(&survey.plan);
        let tables = Arc::new(plan.tables());
        let mut walk = self.walk(&subject.incident, subject.now).await?;
        let (mut done, mut noted) = (0, 0);
        let mut unreached = Unreached::default();
        while let Some(page) = walk.next(self, subject.now).await? {
            let drawing = (subject.clone(), Arc::clone(&plan), Arc::clone(&tables));
            let (moves, tables, of_page) = run_blocking(move || {
                let (moves, tables) = draw(&drawing.0, &drawing.1, &drawing.2, &page);
                (moves, tables, unreached_by(&drawing.0, &drawing.1, &page))
            })
            .await?;
            unreached = unreached.and(of_page);
            if moves.is_empty() {
                continue;
            }
            done += self.store().move_windows(&tables, &moves).await?;
            // Applied from the feed as in every process, so that other changes are included.
            self.catch_up().await?;
            if done - noted >= NOTED_EVERY {
                self.note_moved(id, already + done).await?;
                noted = done;
            }
        }
        if done > 0 {
            // Other processes may have moved some of them, so the total is counted.
            let moved = self.moved_by(id).await?;
            self.note_moved(id, moved).await?;
        }
        Ok(Moved {
            windows: done,
            unreached,
        })
    }

    /// How many clients would not learn of a survey's plan in time; nothing is moved.
    pub(super) async fn unreached_by(
        &self,
        subject: &Subject,
        survey: &Survey,
    ) -> Result<Unreached, IncidentError> {
        let mut walk = self.walk(&subject.incident, subject.now).await?;
        let mut unreached = Unreached::default();
        while let Some(page) = walk.next(self, subject.now).await? {
            let (subject, plan) = (subject.clone(), Arc::clone(&survey.plan));
            unreached =
                unreached.and(run_blocking(move || unreached_by(&subject, &plan, &page)).await?);
        }
        Ok(unreached)
    }

    async fn note_moved(&self, id: i64, at_least: u64) -> Result<Incident, IncidentError> {
        let note = move |incident: &mut Incident| incident.moved = incident.moved.max(at_least);
        self.revise(id, note).await
    }
}

/// The moves of a page, and the tables that they refer to.
fn draw(
    subject: &Subject,
    plan: &Plan,
    tables: &[StoredTable],
    page: &[Certificate],
) -> (Vec<Move>, Vec<StoredTable>) {
    let moves: Vec<Move> = to_look_at(subject, page)
        .filter_map(|certificate| {
            let hash = subject.hash(certificate);
            let (to, basis) = plan.window(hash, certificate.validity, certificate.window)?;
            Some(Move {
                id: certificate.id.clone(),
                from: certificate.window,
                to,
                basis,
                cause: Cause::Incident(subject.incident.id),
            })
        })
        .collect();
    let named: HashSet<i64> = moves
        .iter()
        .filter_map(|moved| match moved.basis {
            Basis::Table(number) => Some(number),
            Basis::Plain(_) | Basis::Span(_) | Basis::Tick(_) => None,
        })
        .collect();
    let tables = tables
        .iter()
        .filter(|table| named.contains(&table.number))
        .cloned()
        .collect();
    (moves, tables)
}

/// Counts the clients of a page that do not learn of the plan in time.
fn unreached_by(subject: &Subject, plan: &Plan, page: &[Certificate]) -> Unreached {
    let mut unreached = Unreached::default();
    for certificate in to_look_at(subject, page) {
        let drawn = plan.window(
            subject.hash(certificate),
            certificate.validity,
            certificate.window,
        );
        let to = drawn.map_or(certificate.window, |(to, _)| to);
        if let Some(reach) = subject.reach(certificate, to) {
            unreached.count(reach);
        }
    }
    unreached
}

/// The certificates of a page that an incident affects and has not moved.
fn to_look_at<'p>(
    subject: &Subject,
    page: &'p [Certificate],
) -> impl Iterator<Item = &'p Certificate> {
    page.iter()
        .filter(|certificate| subject.concerns(certificate) && !subject.has_moved(certificate))
}
