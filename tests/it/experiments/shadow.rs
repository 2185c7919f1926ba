//! The shadow: reported, and never served.

use offpeak::domain::allocation::experiment::shadow::ShadowReport;
use offpeak::domain::policy::ca::CaName;
use offpeak::domain::time::HOUR;
use offpeak::engine::Shadowed;

use super::*;
use crate::support::{databases, fresh_sqlite};

const COUNT: u64 = 600;

fn shadow(engine: &Engine) -> ShadowReport {
    match engine.shadow(&CaName::default()) {
        Some(Shadowed::Yes(report)) => *report,
        other => panic!("{other:?}"),
    }
}

/// Bands that end a day before the usual ones, and are as long.
const A_DAY_SOONER: &str =
    "[[ca.shadow]]\n[[ca.shadow.band]]\nmin_life = \"10d\"\nend = \"2/3 - 26h\"\nlength = \"24h\"";

#[tokio::test]
async fn a_shadow_is_reported_and_never_served() {
    for database in databases().await {
        let plain = service(&database.url(), &one_ca("")).await;
        let config = one_ca(A_DAY_SOONER);
        let Service { engine, .. } = service(&database.url(), &config).await;
        let submissions: Vec<_> = (0..COUNT).map(|n| issued(n, NOW)).collect();
        register(&engine, &submissions).await;
        plain.engine.catch_up().await.unwrap();
        for n in 0..COUNT {
            let id = certid(n);
            // What the shadow's process says is what one without it says, octet by octet.
            let with = engine.explain(&id).await.unwrap().unwrap().to_string();
            let without = plain
                .engine
                .explain(&id)
                .await
                .unwrap()
                .unwrap()
                .to_string();
            assert_eq!(with, without);
            let with = engine.renewal_info(&id).await.unwrap();
            let without = plain.engine.renewal_info(&id).await.unwrap();
            assert_eq!(format!("{with:?}"), format!("{without:?}"));
            assert!(with.window.from >= NOW + 58 * DAY + 22 * HOUR);
        }
        let report = shadow(&engine);
        assert_eq!((report.compared, report.differing), (COUNT, COUNT));
        assert_eq!(report.refused, 0);
        // Each is drawn from a band that lies a day sooner, of a day's length: by the same hash.
        assert!(
            (report.mean_shift_seconds + 86_400.0).abs() < 4.0 * 3_600.0,
            "{report:?}"
        );
        let sooner = report.shadow.windows.mean_earliness_seconds
            - report.served.windows.mean_earliness_seconds;
        assert!((sooner + report.mean_shift_seconds).abs() < 1.0);
        for policy in [&report.served, &report.shadow] {
            let of_slots: u64 = policy.windows.by_slot.iter().map(|slot| slot.windows).sum();
            assert_eq!(of_slots, COUNT);
            assert!(policy.forecast.peak >= policy.forecast.mean && policy.forecast.mean > 0.0);
        }
        let last = report.shadow.windows.by_slot.last().unwrap().start;
        let first = report.served.windows.by_slot[0].start;
        assert!(last < first, "{last} and {first}");
        assert!(matches!(
            plain.engine.shadow(&CaName::default()),
            Some(Shadowed::No)
        ));
    }
}

#[tokio::test]
async fn a_shadow_with_the_ca_s_own_policy_differs_in_nothing() {
    let database = fresh_sqlite();
    let config = one_ca("control_share = 0.1\n[[ca.shadow]]");
    let Service { engine, .. } = service(&database.url(), &config).await;
    let submissions: Vec<_> = (0..COUNT).map(|n| issued(n, NOW)).collect();
    for one in submissions.chunks(1) {
        register(&engine, one).await;
    }
    let report = shadow(&engine);
    // The control group has one window under either.
    assert!(report.compared < COUNT && report.compared > COUNT * 4 / 5);
    assert_eq!((report.differing, report.shadow), (0, report.served));
    // Another policy begins anew.
    engine.reconfigure(one_ca(A_DAY_SOONER)).await.unwrap();
    assert_eq!(shadow(&engine).compared, 0);
}
