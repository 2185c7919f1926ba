//! Rebalances of real registries.

use offpeak::domain::certificate::{Basis, Cause};
use offpeak::domain::moves::rebalance::{RebalanceReport, Why};
use offpeak::domain::policy::ca::CaName;
use offpeak::domain::policy::capacity::{CapacityRule, When};
use offpeak::domain::time::{HOUR, MINUTE, Span};
use offpeak::engine::Rebalance;
use offpeak::store::Move;

use super::*;
use crate::support::{databases, fresh_sqlite};

/// An hour's worth on each of 60 hours: 6,000 with the prior's f of 0.3.
pub(super) const COUNT: u64 = 6_000;

/// The hour that the drift is in.
pub(super) const CROWDED: Span = crowded(NOW);

/// The same where the registry was made at `now`.
pub(super) const fn crowded(now: Timestamp) -> Span {
    Span {
        from: Timestamp::from_unix(now.unix() + 59 * DAY),
        to: Timestamp::from_unix(now.unix() + 59 * DAY + HOUR),
    }
}

async fn rebalance(engine: &Engine, mode: Rebalance) -> RebalanceReport {
    engine
        .rebalance(&CaName::default(), mode)
        .await
        .unwrap()
        .unwrap()
}

/// A registry with `crowd` of its windows in one hour, as no allocation would have put them.
async fn drifted(url: &str, config: &Config, crowd: u64) -> Service {
    drifted_at(NOW, url, config, crowd).await
}

pub(super) async fn drifted_at(now: Timestamp, url: &str, config: &Config, crowd: u64) -> Service {
    let service = service_at(now, url, config).await;
    let engine = &service.engine;
    // Issued over the last day, an hour's worth each hour.
    let submissions: Vec<_> = (0..COUNT)
        .map(|n| {
            let hour = i64::try_from(n % 24).unwrap();
            issued(n, now - hour * HOUR)
        })
        .collect();
    register(engine, &submissions).await;
    // What so many at once have left uneven is not what is looked at.
    rebalance(engine, Rebalance::Apply).await;
    let mut moves = Vec::new();
    let apart = (COUNT / crowd).min(10);
    for n in 0..crowd {
        let certificate = engine
            .certificate(&certid(n * apart))
            .await
            .unwrap()
            .unwrap();
        let from = crowded(now).from + i64::try_from(n).unwrap() % HOUR;
        moves.push(Move {
            id: certificate.id,
            from: certificate.window,
            to: Span {
                from,
                to: from + 15 * MINUTE,
            },
            basis: certificate.basis,
            cause: Cause::Registration,
        });
    }
    engine.store().move_windows(&[], &moves).await.unwrap();
    engine.catch_up().await.unwrap();
    service
}

pub(super) async fn windows(engine: &Engine) -> Vec<(Span, Cause)> {
    let mut windows = Vec::new();
    for n in 0..COUNT {
        let certificate = engine.certificate(&certid(n)).await.unwrap().unwrap();
        windows.push((certificate.window, certificate.cause));
    }
    windows
}

#[tokio::test]
async fn a_drifted_hour_is_levelled_once_and_the_report_is_kept() {
    for database in databases().await {
        let Service { engine, .. } = drifted(&database.url(), &one_ca(""), 400).await;
        let before = windows(&engine).await;
        let kept_before = engine.rebalances().await.unwrap();
        let planned = rebalance(&engine, Rebalance::DryRun).await;
        assert!(planned.dry_run && planned.moved > 0);
        assert_eq!(windows(&engine).await, before);
        assert_eq!(engine.rebalances().await.unwrap(), kept_before);

        let done = rebalance(&engine, Rebalance::Apply).await;
        assert_eq!((done.moved, &done.slots), (planned.moved, &planned.slots));
        let number = i64::try_from(kept_before.len()).unwrap() + 1;
        assert_eq!((done.number, done.complete), (Some(number), true));
        assert_eq!(planned.number, None);
        assert!(done.drift_before > 0.3, "{done:#?}");
        assert!(done.drift_after < 0.05, "{done:#?}");
        let after = windows(&engine).await;
        let mut moved = 0;
        for ((old, _), (new, cause)) in before.iter().zip(&after) {
            if old == new {
                assert_ne!(*cause, Cause::Rebalance(number));
                continue;
            }
            moved += 1;
            assert_eq!(*cause, Cause::Rebalance(number));
            // Out of the hour that stood above the level, and out of no other.
            assert_eq!(old.from.slot(HOUR), CROWDED.from.slot(HOUR));
            assert_ne!(new.from.slot(HOUR), CROWDED.from.slot(HOUR));
        }
        assert_eq!(moved, done.moved);
        let [crowded] = done
            .slots
            .iter()
            .filter(|slot| slot.why == Why::AboveLevel)
            .collect::<Vec<_>>()[..]
        else {
            panic!("{done:#?}");
        };
        assert_eq!((crowded.start, crowded.moved_out), (CROWDED.from, moved));
        assert_eq!(crowded.moved_in, 0);
        let arrived: u64 = done.slots.iter().map(|slot| slot.moved_in).sum();
        assert_eq!(arrived, moved);
        // The fewest: what stood above the level, at f = 0.3 each, and what chance adds (5 σ).
        let surplus = (crowded.before - crowded.level) / 0.3;
        let sigma = surplus.sqrt();
        let moved = f64::from(u32::try_from(moved).unwrap());
        assert!(
            (moved - surplus).abs() < 5.0 * sigma,
            "{moved} for {surplus}"
        );

        // The index, the ledger and explain know.
        for n in (0..COUNT).step_by(10).take(400) {
            let index = usize::try_from(n).unwrap();
            let served = engine.renewal_info(&certid(n)).await.unwrap().window;
            assert_eq!(served, after[index].0);
            if after[index].1 == Cause::Rebalance(number) {
                let explained = engine.explain(&certid(n)).await.unwrap().unwrap();
                assert_eq!(explained["derivationMatches"], true, "{explained:#}");
                assert_eq!(explained["drawnFrom"]["table"]["reason"], "moved");
            }
        }
        // Once more moves nothing, at once or when what was moved has rested.
        assert_eq!(rebalance(&engine, Rebalance::Apply).await.moved, 0);
        assert_eq!(windows(&engine).await, after);
        let all = engine.rebalances().await.unwrap();
        assert_eq!(all.len(), kept_before.len() + 1);
        let kept = &all[0];
        let kept: RebalanceReport = serde_json::from_str(kept.body.as_ref().unwrap()).unwrap();
        assert_eq!(kept, done);
    }
}

#[tokio::test]
async fn a_span_that_is_closed_anew_is_left_by_all_but_those_that_may_not_move() {
    for database in databases().await {
        let config = one_ca("control_share = 0.1");
        let Service { engine, clock } = drifted(&database.url(), &config, 60).await;
        // Most bands are open, and the closed hours are in some of them.
        let closed = Span {
            from: CROWDED.from + 10 * MINUTE,
            to: CROWDED.from + 3 * HOUR,
        };
        let mut closing = config.clone();
        closing.cas[0].capacity.push(CapacityRule {
            when: When::Once(closed),
            share: 0.0,
            ceiling_per_hour: None,
            name: None,
        });
        engine.reconfigure(closing.clone()).await.unwrap();
        let before = windows(&engine).await;
        let report = rebalance(&engine, Rebalance::Apply).await;
        let inside = |windows: &[(Span, Cause)]| {
            windows
                .iter()
                .filter(|(window, _)| window.overlap_seconds(closed) > 0)
                .count()
        };
        assert!(inside(&before) > 60);
        for n in 0..COUNT {
            let certificate = engine.certificate(&certid(n)).await.unwrap().unwrap();
            let plain = matches!(certificate.basis, Basis::Plain(_));
            assert!(certificate.window.overlap_seconds(closed) == 0 || plain);
            let explained = engine.explain(&certid(n)).await.unwrap().unwrap();
            assert!(
                plain
                    || certificate.cause == Cause::Registration
                    || explained["derivationMatches"] == true
            );
        }
        // Those that the hour before could take went there.
        let sooner =
            |slot: &&offpeak::domain::moves::rebalance::SlotReport| slot.start < closed.from;
        let early: u64 = report
            .slots
            .iter()
            .filter(sooner)
            .map(|slot| slot.moved_in)
            .sum();
        assert!(early > 0, "{report:#?}");
        assert!(report.slots.iter().any(|slot| slot.why == Why::Closed));

        // A window that is near stays, whatever is closed.
        clock.set(CROWDED.from + 4 * HOUR);
        let mut all = closing;
        all.cas[0].capacity[0].when = When::Once(Span {
            from: CROWDED.from + 4 * HOUR,
            to: CROWDED.from + 8 * HOUR,
        });
        engine.reconfigure(all).await.unwrap();
        let held = windows(&engine).await;
        rebalance(&engine, Rebalance::Apply).await;
        let now = CROWDED.from + 4 * HOUR;
        // Two polls of six hours and a fifth.
        let near = now + 2 * 6 * HOUR * 6 / 5;
        for ((old, _), (new, _)) in held.iter().zip(windows(&engine).await) {
            assert!(old.from >= near || *old == new);
            assert!(*old == new || new.from >= near);
        }
    }
}

#[tokio::test]
async fn what_an_incident_moved_and_the_control_group_stay() {
    let database = fresh_sqlite();
    let config = one_ca("control_share = 0.5");
    let Service { engine, .. } = drifted(&database.url(), &config, 400).await;
    let mut moves = Vec::new();
    let mut settled = Vec::new();
    for n in 0..400 {
        let certificate = engine.certificate(&certid(n * 10)).await.unwrap().unwrap();
        if n % 5 == 0 {
            moves.push(Move {
                id: certificate.id.clone(),
                from: certificate.window,
                to: certificate.window,
                basis: certificate.basis,
                cause: Cause::Incident(1),
            });
            settled.push((certificate.id, certificate.window));
        } else if matches!(certificate.basis, Basis::Plain(_)) {
            settled.push((certificate.id, certificate.window));
        }
    }
    engine.store().move_windows(&[], &moves).await.unwrap();
    engine.catch_up().await.unwrap();
    let report = rebalance(&engine, Rebalance::Apply).await;
    assert!(report.moved > 0);
    assert!(report.kept.moved_before >= 10, "{:?}", report.kept);
    assert!(report.kept.control > 1_000, "{:?}", report.kept);
    for (id, window) in settled {
        assert_eq!(engine.renewal_info(&id).await.unwrap().window, window);
    }
}

#[tokio::test]
async fn a_ca_that_wants_it_is_rebalanced_by_itself() {
    let database = fresh_sqlite();
    let Service { engine, clock } = drifted(&database.url(), &one_ca(""), 600).await;
    // The hour in which nothing moves by itself is over.
    clock.set(NOW + 2 * HOUR);
    let before = engine.rebalances().await.unwrap();
    engine.watch_drift().await.unwrap();
    assert_eq!(engine.rebalances().await.unwrap(), before);
    let config = one_ca("rebalance = \"auto\"");
    engine.reconfigure(config).await.unwrap();
    let planned = rebalance(&engine, Rebalance::DryRun).await;
    assert!(
        planned.drift_before > 0.1 && planned.moved > 0,
        "{planned:?}"
    );
    engine.watch_drift().await.unwrap();
    let after = engine.rebalances().await.unwrap();
    assert_eq!(after.len(), before.len() + 1);
    engine.watch_drift().await.unwrap();
    assert_eq!(engine.rebalances().await.unwrap(), after);
}
