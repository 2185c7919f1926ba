//! The control group: who is in it, what it gets, how it is compared.

use offpeak::domain::allocation::experiment::cohort::plain_starts;
use offpeak::domain::certificate::Basis;
use offpeak::domain::policy::ca::CaName;
use offpeak::domain::time::HOUR;
use offpeak::engine::CohortsReport;

use super::*;
use crate::support::{databases, fresh_sqlite};

const COUNT: u64 = 3_000;

async fn control_group(engine: &Engine) -> Vec<u64> {
    let mut members = Vec::new();
    for n in 0..COUNT {
        let certificate = engine.certificate(&certid(n)).await.unwrap().unwrap();
        if matches!(certificate.basis, Basis::Plain(_)) {
            members.push(n);
        }
    }
    members
}

fn report(engine: &Engine) -> CohortsReport {
    engine.cohorts(&CaName::default()).unwrap()
}

#[tokio::test]
async fn the_control_group_stays_on_the_plain_window_and_both_are_reported() {
    for database in databases().await {
        let config = one_ca("control_share = 0.1");
        let Service { engine, clock } = service(&database.url(), &config).await;
        let submissions: Vec<_> = (0..COUNT).map(|n| issued(n, NOW)).collect();
        register(&engine, &submissions).await;
        let members = control_group(&engine).await;
        // 300 ± 5 σ of √(3,000 · 0.1 · 0.9) = 16.4.
        assert!((218..=382).contains(&members.len()), "{}", members.len());
        let plain = plain_starts(submissions[0].validity);
        let mut early = 0;
        for n in &members {
            let certificate = engine.certificate(&certid(*n)).await.unwrap().unwrap();
            assert!(plain.contains(certificate.window.from));
            assert_eq!(certificate.window.seconds(), 900);
            if certificate.window.from < NOW + 60 * DAY {
                early += 1;
            }
            let explained = engine.explain(&certid(*n)).await.unwrap().unwrap();
            assert_eq!(explained["derivationMatches"], true);
            assert_eq!(explained["drawnFrom"]["rule"], "plain");
        }
        // Half of them before the middle: 5 σ at the least count is a third of it.
        assert!(early * 3 > members.len() && early * 3 < members.len() * 2);
        let before = report(&engine);
        let (control, steered) = (&before.control, &before.steered);
        assert_eq!(control.windows.certificates, members.len() as u64);
        assert_eq!(steered.windows.certificates, COUNT - members.len() as u64);
        // The plain windows are around the clients' own rule, the others wholly before it.
        assert!(control.windows.mean_earliness_seconds.abs() < 5.0 * 3_600.0);
        assert!(steered.windows.mean_earliness_seconds > 2.0 * 3_600.0);
        let of_slots: u64 = control
            .windows
            .by_slot
            .iter()
            .map(|slot| slot.windows)
            .sum();
        let of_hours: u64 = control.windows.by_hour_of_day.iter().sum();
        assert_eq!(of_hours, of_slots);
        assert_eq!(of_slots, members.len() as u64);
        assert_eq!(control.renewals.ahead, members.len() as u64);

        // One is renewed in its window, one before, one is given up.
        let window = engine
            .renewal_info(&certid(members[0]))
            .await
            .unwrap()
            .window;
        let renew = |n: u64, at: Timestamp| Submission {
            replaces: Some(certid(members[usize::try_from(n).unwrap()])),
            ..issued(COUNT + n, at)
        };
        register(&engine, &[renew(1, NOW)]).await;
        // Two minutes into it: instants of issuance are remembered to the minute.
        let inside = window.from + 120;
        clock.set(inside);
        register(&engine, &[renew(0, inside)]).await;
        clock.set(NOW + 62 * DAY);
        engine.catch_up().await.unwrap();
        let after = report(&engine).control.renewals;
        assert_eq!((after.in_window, after.before, after.after), (1, 1, 0));
        // The new ones may be in the group as well: the window of the one that was issued at once
        // is over, that of the other is ahead.
        let mut new = [0, 0];
        for (n, new) in new.iter_mut().enumerate() {
            let id = certid(COUNT + n as u64);
            let certificate = engine.certificate(&id).await.unwrap().unwrap();
            *new = u64::from(matches!(certificate.basis, Basis::Plain(_)));
        }
        assert_eq!(after.overdue, members.len() as u64 - 2 + new[1]);
        assert_eq!(after.ahead, new[0]);
        // Another process reads the rows in whatever order.
        let other = service(&database.url(), &config).await;
        other.clock.set(NOW + 62 * DAY);
        assert_eq!(report(&other.engine).control, report(&engine).control);
    }
}

#[tokio::test]
async fn a_share_that_grows_keeps_its_members() {
    let database = fresh_sqlite();
    let Service { engine, .. } = service(&database.url(), &one_ca("control_share = 0.05")).await;
    let submissions: Vec<_> = (0..COUNT).map(|n| issued(n, NOW)).collect();
    register(&engine, &submissions).await;
    let few = control_group(&engine).await;
    assert!(few.len() > 50);
    let ids: Vec<_> = (0..COUNT).map(certid).collect();
    engine.remove(&ids).await.unwrap();
    engine
        .reconfigure(one_ca("control_share = 0.2"))
        .await
        .unwrap();
    register(&engine, &submissions).await;
    let many = control_group(&engine).await;
    assert!(many.len() > 3 * few.len());
    assert!(few.iter().all(|n| many.contains(n)));
}

#[tokio::test]
async fn the_ledger_holds_plain_windows_where_they_fall() {
    let database = fresh_sqlite();
    let Service { engine, .. } = service(&database.url(), &one_ca("control_share = 0.5")).await;
    let submissions: Vec<_> = (0..COUNT).map(|n| issued(n, NOW)).collect();
    register(&engine, &submissions).await;
    // Every steered window ends before 2/3 of the life less an hour: what is later is plain.
    let later = offpeak::domain::time::Span {
        from: NOW + 60 * DAY - HOUR,
        to: NOW + 70 * DAY,
    };
    let mut plain = 0.0;
    for n in control_group(&engine).await {
        let certificate = engine.certificate(&certid(n)).await.unwrap().unwrap();
        let seconds = certificate.window.overlap_seconds(later);
        plain += f64::from(i32::try_from(seconds).unwrap()) / 900.0;
    }
    assert!(plain > 500.0);
    assert!((engine.windows_promised(later) - plain).abs() < 1e-6);
}
