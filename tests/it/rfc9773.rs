//! Clauses of RFC 9773 that no one part answers for.

use std::sync::Arc;

use offpeak::config::Config;
use offpeak::domain::allocation::window::{in_slot, in_span};
use offpeak::domain::certificate::certid::{CertId, KeyIdentifier, Serial};
use offpeak::domain::certificate::names::Names;
use offpeak::domain::certificate::{Submission, Successor, Validity};
use offpeak::domain::time::{DAY, HOUR, Span, Timestamp};
use offpeak::engine::Engine;
use offpeak::engine::clock::{Clock, ManualClock};
use offpeak::store::{Migrations, connect};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::fresh_sqlite;

/// 2026-11-21T00:00:00Z.
const NOW: Timestamp = Timestamp::from_unix(1_795_219_200);

proptest! {
    /// Section 4.2: a server must not serve an `end` that equals or precedes `start`.
    #[test]
    fn every_window_ends_after_it_starts_and_with_its_certificate(
        hash: u128,
        slot_minutes in prop::sample::select(vec![5_i64, 15, 30, 60]),
        closed_from in -60_i64..70,
        closed_minutes in 0_i64..90,
        window_seconds in 1_i64..HOUR,
        left_seconds in 1_i64..3 * HOUR,
    ) {
        let slot = Span { from: NOW, to: NOW + slot_minutes * 60 };
        let from = NOW + closed_from * 60;
        let closed = [Span { from, to: from + closed_minutes * 60 }];
        let not_after = NOW + left_seconds;
        for window in [
            in_slot(hash, slot, &closed, not_after),
            in_span(hash, slot, window_seconds, not_after),
        ] {
            prop_assert!(window.from < window.to, "{window:?}");
            prop_assert!(window.to <= not_after, "{window:?}");
        }
    }
}

/// Section 5 lets a server favour orders within the window of what they replace; most clients come
/// up to a day early.
#[tokio::test]
async fn renewal_is_due_from_a_day_before_the_window_until_replaced_or_expired() {
    let database = fresh_sqlite();
    let store = connect(&database.url(), Migrations::Apply).await.unwrap();
    let clock = Arc::new(ManualClock::at(NOW));
    let as_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let engine = Engine::open(store, Config::default(), as_clock)
        .await
        .unwrap();
    let id = CertId {
        key_identifier: KeyIdentifier::new(&[9; 20]).unwrap(),
        serial: Serial::new(&[1]).unwrap(),
    };
    let not_after = NOW + (90 * DAY - 1);
    let submission = Submission {
        id: id.clone(),
        validity: Validity {
            not_before: NOW,
            not_after,
        },
        issued_at: None,
        replaces: None,
        names: Names::default(),
    };
    engine.register(&[submission], None).await.unwrap();
    let window = engine.renewal_info(&id).await.unwrap().window;
    let said = async |at: Timestamp| {
        clock.set(at);
        let explanation: Value = serde_json::to_value(engine.explain(&id).await.unwrap()).unwrap();
        let flag = |name: &str| explanation[name].as_bool().unwrap();
        (flag("renewalDue"), flag("windowOpen"))
    };

    assert_eq!(said(window.from - (DAY + 1)).await, (false, false));
    assert_eq!(said(window.from - DAY).await, (true, false));
    assert_eq!(said(window.from).await, (true, true));
    assert_eq!(said(window.to).await, (true, false));
    assert_eq!(said(not_after + 1).await, (false, false));
    let by = Successor::Order("https://ca.example/order/1".to_owned());
    engine.succeed(&id, &by).await.unwrap();
    assert_eq!(said(window.from).await, (false, true));
}
